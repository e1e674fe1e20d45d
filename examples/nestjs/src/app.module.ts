import { type DynamicModule, Module } from '@nestjs/common'
import { DeliveryModule } from './delivery.module'
import { NoticesService, SETTINGS } from './notices.service'
import type { Settings } from './settings'

@Module({})
export class AppModule {
  static forRoot(settings: Settings): DynamicModule {
    const { databaseUrl, appKey, appSecret, agentId, oapiUrl, apiUrl, timeScale } = settings
    const credentials = { kind: 'internal', appKey, appSecret, endpoint: 'new' } as const
    return {
      module: AppModule,
      imports: [DeliveryModule.forRoot({ databaseUrl, apps: [{ credentials, agentId, oapiUrl, apiUrl }], timeScale })],
      providers: [{ provide: SETTINGS, useValue: settings }, NoticesService],
    }
  }
}
