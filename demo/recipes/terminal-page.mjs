// The page of the recipes with a shell: xterm.js (https://xtermjs.org) for a logged-in user, else the form of the login.
//
//   npm install @xterm/xterm @xterm/addon-attach @xterm/addon-fit
//
// The page sends the size of the terminal in the URL. With `resizes` it also sends each new size of the window, as a text message: the tunnel
// then needs the option `control` and a terminal that can be resized, as in node-pty.mjs and in-process-ssh.mjs. The keys are binary messages,
// because with `control` the text messages do not reach the shell.
import { fileURLToPath } from 'node:url';
import express from 'express';
import { form } from './login-form.mjs';

/** The page at `/`; `path` is the path of the tunnel. */
export function terminalPage(path = '/shell', { resizes = false } = {}) {
  const page = express.Router();
  const xterm = new URL('..', import.meta.resolve('@xterm/xterm/package.json'));
  page.use('/xterm', express.static(fileURLToPath(xterm)));
  page.get('/', (req, res) => {
    res.set('Cache-Control', 'no-store').send(req.session.user ? html(path, resizes) : form);
  });
  return page;
}

const html = (path, resizes) => `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>Terminal</title>
  <link rel="stylesheet" href="/xterm/xterm/css/xterm.css">
  <body style="background: #000; height: 100vh; margin: 0">
    <script type="module">
      import { Terminal } from '/xterm/xterm/lib/xterm.mjs';
      import { AttachAddon } from '/xterm/addon-attach/lib/addon-attach.mjs';
      import { FitAddon } from '/xterm/addon-fit/lib/addon-fit.mjs';
      const [terminal, fit] = [new Terminal(), new FitAddon()];
      terminal.loadAddon(fit);
      terminal.open(document.body);
      fit.fit(); // as many rows and columns as fit into the window
      const size = '?rows=' + terminal.rows + '&cols=' + terminal.cols;
      const socket = new WebSocket(location.origin.replace('http', 'ws') + '${path}' + size, 'binary');
      let opened = false;
      const send = (data) => socket.readyState === WebSocket.OPEN && socket.send(data);
      const sendSize = () => send(JSON.stringify({ cols: terminal.cols, rows: terminal.rows }));
      socket.onopen = () => {
        opened = true;
        if (${resizes}) sendSize(); // the window may have a new size by now
      };
      socket.onclose = ({ code }) => {
        if (!opened) terminal.write('The shell could not be started. Reload the page to try again.');
        else if (code === 1000) terminal.write('\\r\\nThe shell has ended. Reload the page for a new one.');
        else terminal.write('\\r\\nThe connection to the shell was lost. Reload the page to connect again.');
      };
      terminal.loadAddon(new AttachAddon(socket, { bidirectional: false }));
      terminal.onData((text) => send(new TextEncoder().encode(text)));
      terminal.onBinary((bytes) => send(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0))));
      if (${resizes}) {
        addEventListener('resize', () => fit.fit());
        terminal.onResize(sendSize);
      }
      terminal.focus();
    </script>
  </body>
</html>`;
