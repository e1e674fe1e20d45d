import { type Html, html } from '../components/html.ts'

/** What stands on paper only. */
export const printEn = {
  figures: (time: Html): Html => html`Figures as of ${time}`,
  part: 'Printed is one page of a longer list.',
  partOf: (shown: string, all: string): string => `Printed are ${shown} of ${all}.`,
  file: (address: Html): Html => html`The whole list is in the file: ${address}`,
}

export const printZh: typeof printEn = {
  figures: (time) => html`数据截至 ${time}`,
  part: '此处只打印了列表的其中一页。',
  partOf: (shown, all) => `共 ${all} 人，此处只打印了 ${shown} 人。`,
  file: (address) => html`完整名单请下载文件：${address}`,
}
