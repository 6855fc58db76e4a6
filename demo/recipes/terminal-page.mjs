// The page of the recipes with a shell: xterm.js (https://xtermjs.org) for a logged-in user, else the form of the login.
//
//   npm install @xterm/xterm @xterm/addon-attach @xterm/addon-fit
//
// The page sends the size of the terminal once, in the URL, because a tunnel carries only the bytes of the terminal. If
// the size must follow the window, let the page send each new size (terminal.onResize) to a route of your app. The route
// needs a terminal that can be resized: channel.setWindow() of ssh2 (in-process-ssh.mjs), or resize() of node-pty
// (https://www.npmjs.com/package/node-pty) as an in-process backend.
import { fileURLToPath } from 'node:url';
import express from 'express';
import { form } from './login-form.mjs';

/** The page at `/`; `path` is the path of the tunnel. */
export function terminalPage(path = '/shell') {
  const page = express.Router();
  const xterm = new URL('..', import.meta.resolve('@xterm/xterm/package.json'));
  page.use('/xterm', express.static(fileURLToPath(xterm)));
  page.get('/', (req, res) => {
    res.set('Cache-Control', 'no-store').send(req.session.user ? html(path) : form);
  });
  return page;
}

const html = (path) => `<!doctype html>
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
      socket.onopen = () => (opened = true);
      socket.onclose = ({ code }) => {
        if (!opened) terminal.write('The shell could not be started. Reload the page to try again.');
        else if (code === 1000) terminal.write('\\r\\nThe shell has ended. Reload the page for a new one.');
        else terminal.write('\\r\\nThe connection to the shell was lost. Reload the page for a new one.');
      };
      terminal.loadAddon(new AttachAddon(socket));
      terminal.focus();
    </script>
  </body>
</html>`;
