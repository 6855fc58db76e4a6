// Tickets: the page of a logged-in user gets a ticket, and a frame without cookies opens the tunnel with it.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node tickets.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// A sandboxed frame, and a frame in a page of another site, sends no cookie: the login can't guard its tunnel. The ticket does.
// It is good once, for 30 seconds, and leads to the desktop that this program chose for the user.
import { fileURLToPath } from 'node:url';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { form } from './login-form.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const app = express();

// Before the session, which the frame does not have. 'null' is the origin of every sandboxed frame, so nothing but the ticket
// protects this tunnel. If your frame has an origin of its own, name it here.
const tunnel = wstunnel({ tickets: 'require', origins: ['null'] });
app.use('/vnc', tunnel);

// Static files without secrets. A sandboxed frame loads modules as a page of another site does.
const NOVNC = fileURLToPath(new URL('..', import.meta.resolve('@novnc/novnc')));
const setHeaders = (res) => res.set('Access-Control-Allow-Origin', '*');
app.use('/novnc', express.static(NOVNC, { setHeaders }));
app.get('/frame', (_req, res) => res.send(frame));

app.use(login);

app.post('/ticket', requireLogin, async (req, res) => {
  // Choose the target by the user, never by the request.
  const ticket = await tunnel.ticket({ user: req.session.user, target: { port: VNC_PORT } });
  res.set('Cache-Control', 'no-store').json({ ticket });
});

app.get('/', (req, res) => {
  res.set('Cache-Control', 'no-store').send(req.session.user === undefined ? form : page);
});

// The fragment of a URL is sent to no server: the ticket is in no log of a page request.
const page = `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>Desktop</title>
  <style>html, body, iframe { border: 0; height: 100%; margin: 0; width: 100% }</style>
  <iframe title="Desktop" sandbox="allow-scripts"></iframe>
  <script type="module">
    const answer = await fetch('/ticket', { method: 'POST' });
    if (!answer.ok) location.reload();
    const { ticket } = await answer.json();
    document.querySelector('iframe').src = '/frame#' + ticket;
  </script>
</html>`;

const frame = `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>Desktop</title>
  <style>html, body { height: 100%; margin: 0 }</style>
  <body>
    <script type="module">
      import RFB from '/novnc/core/rfb.js';
      const ticket = location.hash.slice(1);
      const url = 'ws' + location.protocol.slice(4) + '//' + location.host + '/vnc?ticket=' + ticket;
      const rfb = new RFB(document.body, url);
      rfb.scaleViewport = true;
      rfb.addEventListener('disconnect', () => (document.body.textContent = 'Reload the page to connect again.'));
    </script>
  </body>
</html>`;

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
