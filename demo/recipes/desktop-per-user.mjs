// A desktop for each user, started when it is needed: Xvnc with an xterm (Debian: tigervnc-standalone-server, xterm).
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node desktop-per-user.mjs
//
// Settings: PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// Xvnc prints the number of its display, and an xterm is started on that display. With -terminate, Xvnc ends with the
// last window. The VNC server needs no password: its socket is in a folder that only the app's user can open.
//
// All desktops run as the app's user. For people who must not see each other's files, start each desktop as a user of
// the system: sudo -u, a container.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const DESKTOP = `
  Xvnc -displayfd 1 -rfbunixpath "$1" -rfbport -1 -SecurityTypes None -desktop "$2" -geometry 1280x800 -terminate |
  { read -r number && DISPLAY=":$number" exec xterm -maximized; }`;

const app = express();
app.use(login);

const tunnel = wstunnel({
  server: (req) => ({
    spawn: {
      path: '/bin/sh',
      // The user is an argument, so that each user gets a separate program.
      args: ['-c', DESKTOP, 'desktop', '{socket}', req.session.user],
      maxProcs: 1,
      maxLoadPerProc: 0, // all windows of the user show the same desktop
      idleTimeout: 600, // seconds without a tunnel after which the desktop ends
    },
  }),
});
app.use('/vnc', requireLogin, tunnel);

app.use(desktopPage('/vnc'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
