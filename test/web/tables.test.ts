import { describe, expect, test } from 'vitest'
import { html } from '../../src/web/dashboard/components/html.ts'
import { labelCells } from '../../src/web/dashboard/components/tables.ts'

const labelsIn = (markup: string): string[] => [...markup.matchAll(/data-label="([^"]*)"/g)].map(([, label = '']) => label)

describe('the cells of a table', () => {
  const { markup } =
    html`<p>before</p><table class="people"><thead><tr><th scope="col">${'Person <1>'}</th><th scope="col" class="figure"><a href="/?sort=rate">Rate</a></th></tr></thead>
<tbody><tr data-key="${'<td>"ann"'}"><th scope="row">${'ann <td>'}</th><td class="figure">40%</td></tr><tr><th scope="row">bob</th><td></td></tr></tbody></table>`

  test('have the names of their columns, which stay text', () => {
    const labelled = labelCells(markup)
    expect(labelsIn(labelled)).toEqual(['Person &lt;1&gt;', 'Rate', 'Person &lt;1&gt;', 'Rate'])
    expect(labelled).toContain('<td class="figure" data-label="Rate" role="cell">40%</td>')
    expect(labelled).toContain('<tr data-key="&lt;td&gt;&quot;ann&quot;" role="row">')
  })

  test('have the roles of a table, whatever the style sheet makes of it', () => {
    const roles = [...labelCells(markup).matchAll(/<(\w+)[^>]* role="(\w+)"/g)].map(([, name, role]) => `${name} ${role}`)
    expect(roles.slice(0, 8)).toEqual([
      'table table',
      'thead rowgroup',
      'tr row',
      'th columnheader',
      'th columnheader',
      'tbody rowgroup',
      'tr row',
      'th rowheader',
    ])
    expect(roles[8]).toBe('td cell')
  })

  test('have none where the column has none, and nothing outside of tables changes', () => {
    expect(labelCells('<p>1 <td> 2</p>')).toBe('<p>1 <td> 2</p>')
    expect(labelsIn(labelCells('<table><tbody><tr><td>1</td></tr></tbody></table>'))).toEqual([])
    expect(labelsIn(labelCells('<table><thead><tr><th>A</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>'))).toEqual([
      'A',
    ])
  })
})
