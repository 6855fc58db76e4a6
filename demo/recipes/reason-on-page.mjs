// The reason on the page: a refused upgrade is closed with a code and a reason that the page can read.
//
//   npm install express express-session express-wstunnel
//   node reason-on-page.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// Browsers hide the status of a refused upgrade: a page sees only close code 1006. With `refuseWith: 'close'` the tunnel
// upgrades first and then closes with 4000 + status and the reason. Only refusals by the tunnel are sent like this, so
// here the tunnel also checks the login.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { form } from './login-form.mjs';
import { login } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const app = express();
app.use(login);

const tunnel = wstunnel({
  server: { port: VNC_PORT },
  authenticate: (req) => req.session.user !== undefined,
  refuseWith: 'close',
});
app.use('/vnc', tunnel);

app.get('/login', (req, res) => res.send(form));
app.get('/', (req, res) => {
  res.send(`<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>Reason</title>
  <p role="status">Connecting ...</p>
  <script type="module">
    const show = (text) => (document.querySelector('p').textContent = text);
    const socket = new WebSocket(location.origin.replace('http', 'ws') + '/vnc', 'binary');
    socket.onopen = () => show('Connected.');
    socket.onclose = ({ code, reason }) => {
      if (code === 4401) location.assign('/login');
      else show(code >= 4000 ? reason : 'The connection was lost.'); // 4502: the backend could not be reached
    };
  </script>
</html>`);
});

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
