// Jupyter behind the app's login: the tunnel passes its WebSockets (kernels, terminals), a proxy passes its pages.
//
//   apt-get install jupyter-notebook
//   npm install express express-session express-wstunnel http-proxy-middleware
//   export JUPYTER_TOKEN=$(openssl rand -hex 32)
//   jupyter-notebook --no-browser --NotebookApp.base_url=/lab/ &
//   node jupyter.mjs
//
// Settings: PORT, PASSWORD, SESSION_SECRET (see README.md), JUPYTER (127.0.0.1:8888) and JUPYTER_TOKEN, which Jupyter reads
// too. JupyterLab, a newer program, has the option --ServerApp.base_url.
//
// All users share one Jupyter, which can do what the user who started it can do. With the token Jupyter checks neither the
// origin of a request nor its XSRF token: the tunnel checks the origin of a WebSocket, and the cookie is not sent with a POST
// of another site (sameSite in login.mjs).
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { form } from './login-form.mjs';
import { login, requireLogin } from './login.mjs';

const { JUPYTER = '127.0.0.1:8888', JUPYTER_TOKEN = '' } = process.env;
if (JUPYTER_TOKEN === '')
  throw new Error('JUPYTER_TOKEN is not set: give the token that Jupyter was started with');
const headers = { Authorization: `token ${JUPYTER_TOKEN}` };

const app = express();
app.use(login);

const tunnel = wstunnel({
  user: (req) => req.session.user,
  revalidate: 60,
  server: (req) => ({ url: `ws://${JUPYTER}/lab${req.url}`, headers }),
});
const pages = createProxyMiddleware({ target: `http://${JUPYTER}/lab`, headers });
app.use('/lab', requireLogin, tunnel, pages);

app.post('/logout', requireLogin, (req, res, next) => {
  const { user } = req.session;
  req.session.destroy((error) => {
    tunnel.end((one) => one.user === user, 1008, 'logged out');
    if (error) next(error);
    else res.redirect(303, '/');
  });
});

app.get('/', (req, res) => (req.session.user ? res.redirect(303, '/lab/tree') : res.send(form)));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
