/** What browsers call themselves, shortest. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg\/(\d+)/, "Edge"],
  [/(?:Headless)?Chrom(?:e|ium)\/(\d+)/, "Chromium"],
  [/Firefox\/(\d+)/, "Firefox"],
  [/Version\/(\d+).*Safari/, "Safari"],
];

/** The browser's name and version, `Chromium 156`. */
export function browserName(agent: string = navigator.userAgent): string {
  for (const [pattern, name] of BROWSERS) {
    const version = agent.match(pattern)?.[1];
    if (version) return `${name} ${version}`;
  }
  return "this browser";
}
