/** What is shown to a visitor whose role does not suffice. */

export const rightsEn = {
  namesHidden: {
    title: 'You may not see names',
    text: 'This page shows names or departments. Sign in with a token that has the role “read+names”, or ask the operator of this dashboard for it.',
  },
  namesFixed: {
    title: 'You may not change names',
    text: 'This changes names or departments. Sign in with a token that has the role “write+names”, or ask the operator of this dashboard for it.',
  },
}

export const rightsZh: typeof rightsEn = {
  namesHidden: {
    title: '您无权查看姓名和部门',
    text: '这个页面会显示姓名或部门。请用角色为 read+names 的令牌登录，或向本看板的管理员申请。',
  },
  namesFixed: {
    title: '您无权修改姓名和部门',
    text: '这项操作会修改姓名或部门。请用角色为 write+names 的令牌登录，或向本看板的管理员申请。',
  },
}
