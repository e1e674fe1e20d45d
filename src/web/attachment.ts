/**
 * The value of a `content-disposition` header: a name that every program takes, and the real one for those that know how to ask for
 * it (RFC 6266, RFC 8187).
 * @param name as it should be on a disk; whatever no disk takes becomes `_`
 */
export function attachment(name: string): string {
  const file = name.replaceAll(/[\p{Cc}\p{Cs}/\\:*?"<>|]/gu, '_')
  const plain = file.replaceAll(/[^\w.-]/g, '_')
  const encoded = encodeURIComponent(file).replaceAll(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}
