import { html } from '../components/html.ts'
import type { Content, View } from '../view.ts'

export type LoginProblem = 'wrong' | 'tooMany' | null

export function loginPage({ words }: View, next: string, problem: LoginProblem): Content {
  return {
    title: words.login.title,
    refreshSeconds: null,
    body: html`<section class="login" aria-labelledby="login-title">
<h1 id="login-title">${words.login.title}</h1>
<p>${words.login.text}</p>
<form method="post" action="/login">
<input type="hidden" name="next" value="${next}">
<label for="token">${words.login.label}</label>
<input id="token" type="password" name="token" autocomplete="current-password" required maxlength="4096"${problem !== null && html` aria-invalid="true" aria-describedby="problem"`}>
${problem !== null && html`<p id="problem" class="problem" role="alert">${words.login[problem]}</p>`}
<button type="submit" class="primary">${words.login.submit}</button>
</form></section>`,
  }
}
