// The page of the terminal: xterm.js in the browser, a shell on the server.
import { FitAddon } from '/terminal/xterm/addon-fit/lib/addon-fit.mjs';
import { Terminal } from '/terminal/xterm/xterm/lib/xterm.mjs';
import { byId } from './dom.js';
import { setUpClipboard } from './terminal-clipboard.js';
import { createLink } from './terminal-link.js';
import { setUpSoftKeys } from './terminal-keys.js';
import { themes } from './terminal-themes.js';

const dark = window.matchMedia('(prefers-color-scheme: dark)');
const theme = () => (dark.matches ? themes.dark : themes.light);

const terminal = new Terminal({
  fontFamily: window.getComputedStyle(document.body).getPropertyValue('--mono'),
  fontSize: window.matchMedia('(max-width: 500px)').matches ? 12 : 14,
  cursorBlink: !window.matchMedia('(prefers-reduced-motion: reduce)').matches,
  scrollback: 5000,
  theme: theme(),
  // Programs may draw text in a colour that the background hides.
  minimumContrastRatio: 4.5,
});
const fit = new FitAddon();
terminal.loadAddon(fit);
terminal.open(byId('terminal'));
fit.fit();

const keys = setUpSoftKeys(terminal, (text) => link.send(text));
setUpClipboard(terminal);
const link = createLink(terminal);

terminal.onData((text) => link.send(keys.apply(text)));
// Mouse reports of programs are bytes, not text.
terminal.onBinary((text) => link.sendBytes(Uint8Array.from(text, (char) => char.charCodeAt(0))));

const showSize = () => (byId('size').textContent = `${terminal.cols} × ${terminal.rows}`);
terminal.onResize((size) => {
  showSize();
  link.resize(size);
});
showSize();
// Once for each picture of the browser: a dragged border of a window would send hundreds of sizes.
let planned;
new ResizeObserver(() => {
  window.cancelAnimationFrame(planned);
  planned = window.requestAnimationFrame(() => fit.fit());
}).observe(byId('terminal'));

/** The iOS keyboard covers the page, so the page gets the height of the visual viewport. */
const fitHeight = () => {
  const { height, scale } = window.visualViewport;
  document.body.style.setProperty('--height', `${height * scale}px`);
};
window.visualViewport.addEventListener('resize', fitHeight);
fitHeight();

dark.addEventListener('change', () => (terminal.options.theme = theme()));
window.addEventListener('online', link.hurry);
// After Back, the browser may show the page from its cache, for instance after a logout: reload the page from the server.
window.addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});

/** For the tests. */
window.demo = { terminal, link };

link.start();
