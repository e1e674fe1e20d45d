/**
 * The value of a `content-disposition` header: the name in ASCII for old programs, and in full (RFC 6266, RFC 8187).
 * @param name characters that file systems refuse become `_`
 */
export function attachment(name: string): string {
  const file = name.replaceAll(/[\p{Cc}\p{Cs}/\\:*?"<>|]/gu, '_')
  const plain = file.replaceAll(/[^\w.-]/g, '_')
  const encoded = encodeURIComponent(file).replaceAll(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}
