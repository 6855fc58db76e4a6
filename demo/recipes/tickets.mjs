// Tickets: the page of a logged-in user gets a ticket, and a frame without cookies opens the tunnel with it.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node tickets.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// A sandboxed frame, or a frame in a page of another site, sends no cookie, so the login can't protect its tunnel. A ticket can: it
// opens one tunnel, once, within 30 seconds, to the desktop that this program has chosen for the user.
import { fileURLToPath } from 'node:url';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { form } from './login-form.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const app = express();

// Mounted before the login, since the frame has no session. 'null' is the origin of every sandboxed frame, so only the ticket
// protects this tunnel. If your frame has an origin of its own, name that origin here.
const tunnel = wstunnel({ tickets: 'require', origins: ['null'] });
app.use('/vnc', tunnel);

// Static files without secrets. For a sandboxed frame, every module comes from another origin: the header lets the frame load them.
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

// Browsers do not send the fragment of a URL: no log of a page request has the ticket.
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
