/** Text within markup. */

/** Escapes a text for SVG or HTML, inside an element or an attribute in double quotes. */
export const escapeMarkup = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
