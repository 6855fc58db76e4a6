// A terminal in the browser: a shell whose terminal has the size of the page's terminal (Debian: socat).
//
//   npm install express express-session express-wstunnel @xterm/xterm @xterm/addon-attach @xterm/addon-fit
//   node terminal.mjs
//
// Settings: PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// The page (terminal-page.mjs) sends the size once, in the query, and the shell starts with this size. The shell runs as
// the app's user.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { login, requireLogin } from './login.mjs';
import { terminalPage } from './terminal-page.mjs';

const number = (text, fallback) => (/^[1-9]\d{0,2}$/.test(text) ? text : fallback);

const app = express();
app.use(login);

const tunnel = wstunnel({
  limits: { total: 20 },
  server: ({ query }) => ({
    spawn: {
      path: 'socat',
      args: ['UNIX-LISTEN:{socket}', 'SYSTEM:stty rows $ROWS cols $COLS; exec sh -i,pty,setsid,ctty,stderr'],
      environment: {
        TERM: 'xterm-256color',
        ROWS: number(query.rows, '24'),
        COLS: number(query.cols, '80'),
      },
      maxProcs: 20,
      idleTimeout: 0,
    },
  }),
});
app.use('/shell', requireLogin, tunnel);

app.use(terminalPage('/shell'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
