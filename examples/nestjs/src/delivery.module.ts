import { type DynamicModule, Inject, Injectable, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common'
import { createTracker, type Tracker } from 'dingtalk-delivery-tracker'
import { createRates, type Rates } from 'dingtalk-delivery-tracker/rates'
import { createWorker, type EmbeddedWorker, type WorkerOptions } from 'dingtalk-delivery-tracker/worker'

/** `@Inject(TRACKER) private readonly tracker: Tracker` */
export const TRACKER = Symbol('tracker')
/** `@Inject(RATES) private readonly rates: Rates` */
export const RATES = Symbol('rates')
const OPTIONS = Symbol('worker options')

/** Polls while the application is up. Leave it out where workers run as processes of their own: `npx dingtalk-delivery worker`. */
@Injectable()
class DeliveryWorker implements OnApplicationBootstrap {
  private worker: EmbeddedWorker | undefined

  constructor(@Inject(OPTIONS) private readonly options: WorkerOptions) {}

  /** The start fails where the database needs `npx dingtalk-delivery migrate`. */
  async onApplicationBootstrap(): Promise<void> {
    this.worker = createWorker(this.options)
    await this.worker.ready
  }

  async close(): Promise<void> {
    await this.worker?.close()
  }
}

/** Needs `app.enableShutdownHooks()` in main.ts: a worker that ends properly returns its polls to the queue. */
@Injectable()
class DeliveryShutdown implements OnApplicationShutdown {
  constructor(
    @Inject(DeliveryWorker) private readonly worker: DeliveryWorker,
    @Inject(TRACKER) private readonly tracker: Tracker,
    @Inject(RATES) private readonly rates: Rates,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.worker.close(), this.tracker.close(), this.rates.close()])
  }
}

@Module({})
export class DeliveryModule {
  /** Tracker, rates and worker on one database. */
  static forRoot(options: WorkerOptions): DynamicModule {
    const { databaseUrl } = options
    return {
      module: DeliveryModule,
      global: true,
      providers: [
        { provide: OPTIONS, useValue: options },
        { provide: TRACKER, useFactory: () => createTracker({ databaseUrl }) },
        { provide: RATES, useFactory: () => createRates({ databaseUrl }) },
        DeliveryWorker,
        DeliveryShutdown,
      ],
      exports: [TRACKER, RATES],
    }
  }
}
