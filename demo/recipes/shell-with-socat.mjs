// A shell with socat: each tunnel gets a process that ends with the tunnel (Debian: socat).
//
//   npm install express express-session express-wstunnel @xterm/xterm @xterm/addon-attach @xterm/addon-fit
//   node shell-with-socat.mjs
//
// Settings: PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// The shell runs as the app's user. A new terminal has no size: stty sets 24 rows of 80 columns. In terminal.mjs the
// page sends the size.
//
// A serial console: args: ['UNIX-LISTEN:{socket}', '/dev/ttyUSB0,rawer,b115200'] with maxProcs: 1.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { login, requireLogin } from './login.mjs';
import { terminalPage } from './terminal-page.mjs';

const app = express();
app.use(login);

const tunnel = wstunnel({
  server: {
    spawn: {
      path: 'socat',
      args: ['UNIX-LISTEN:{socket}', 'SYSTEM:stty rows 24 cols 80; exec sh -i,pty,setsid,ctty,stderr'],
      environment: { TERM: 'xterm-256color' },
      maxProcs: 20,
      idleTimeout: 0,
    },
  },
});
app.use('/shell', requireLogin, tunnel);

app.use(terminalPage('/shell'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
