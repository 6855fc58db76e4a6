import type { NovncSettings } from './settings.js';

/** The settings that a page begins with. */
export interface StartSettings {
  /** Settings in the URL, and settings that the user has changed in the page before, win over these. */
  readonly defaults: NovncSettings;
  /** These win over settings in the URL. */
  readonly mandatory: NovncSettings;
}

/**
 * Runs in the browser. Leads to `vnc.html` with the settings in the fragment, in the order of priority of noVNC 1.6. Only the
 * browser knows the prefix that a proxy in front adds, and noVNC before 1.6 expects `path` to begin at the root of the server.
 */
export const START_SCRIPT = `
const { defaults, mandatory } = JSON.parse(document.getElementById('settings').textContent);
const decoded = (text) => {
  try { return decodeURIComponent(text); } catch { return text; }
};
const read = (text) => new Map(text.slice(1).split('&').filter((pair) => pair.includes('=')).map((pair) => {
  const at = pair.indexOf('=');
  return [pair.slice(0, at), decoded(pair.slice(at + 1))];
}));
const stored = (name) => {
  try { return localStorage.getItem(name); } catch { return null; }
};
const query = read(location.search), settings = read(location.hash);
for (const [name, value] of Object.entries(defaults))
  if (!settings.has(name) && !query.has(name) && stored(name) === null) settings.set(name, String(value));
for (const [name, value] of Object.entries(mandatory)) settings.set(name, String(value));
const path = settings.get('path') ?? query.get('path') ?? (stored('path') === null ? 'websockify' : undefined);
if (path !== undefined) {
  const url = new URL(path, location.href);
  settings.set('path', url.pathname.slice(1) + url.search);
}
const fragment = [...settings].map(([name, value]) => name + '=' + encodeURIComponent(value)).join('&');
location.replace('vnc.html' + location.search + '#' + fragment);
`;

/** The page at `/` for noVNC before 1.6, which does not load `defaults.json` and `mandatory.json`. */
export function startPage({ defaults, mandatory }: StartSettings): string {
  // Text in a script element ends at the first `</script`.
  const data = JSON.stringify({ defaults, mandatory }).replaceAll('<', '\\u003c');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>noVNC</title>
<script type="application/json" id="settings">${data}</script>
<script>${START_SCRIPT}</script>
</head>
<body><noscript>noVNC needs JavaScript.</noscript></body>
</html>
`;
}
