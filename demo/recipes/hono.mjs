// Hono on Node: the tunnel in a handler of Hono's node server.
//
//   npm install hono @hono/node-server express express-wstunnel
//   node hono.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD (see README.md).
//
// All of Hono's middleware runs on an upgrade, before and after the handler. The answer is not Hono's Response: headers of
// `c.header()` are not in the 101 or in a refusal of the tunnel. Set headers on `c.env.outgoing` before the tunnel instead.
import { serve } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { wstunnel } from 'express-wstunnel';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { nameOf } from './accounts.mjs'; // ({ username, password }) => the user's name, or undefined
import { form } from './login-form.mjs';
import { closeSession, openSession, userOfSession } from './session-ids.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const app = new Hono();

// In place of a session middleware.
app.use(async (c, next) => {
  c.set('user', userOfSession(getCookie(c, 'session')));
  await next();
});
const requireLogin = (c, next) => (c.get('user') ? next() : c.text('log in first\n', 401));

// `user` gets Node's request, which has none of the values of Hono's context.
const tunnel = wstunnel({ server: { port: VNC_PORT }, user: (req) => req.user, revalidate: 60 });

// `/vnc/*` also matches `/vnc`.
app.get('/vnc/*', requireLogin, (c) => {
  const { incoming, outgoing } = c.env;
  incoming.user = c.get('user');
  return new Promise((resolve, reject) => {
    outgoing.once('close', () => resolve(RESPONSE_ALREADY_SENT));
    // Called for a GET without an upgrade, and with an error if a hook of the tunnel's options throws.
    tunnel(incoming, outgoing, (error) => (error ? reject(error) : resolve(c.notFound())));
  });
});

app.get('/', (c) => c.html(c.get('user') ? `you are ${c.get('user')}` : form));

app.post('/login', bodyLimit({ maxSize: 10_000 }), async (c) => {
  const name = await nameOf(await c.req.parseBody());
  if (!name) return c.text('unknown user, or wrong password\n', 401);
  closeSession(getCookie(c, 'session'));
  setCookie(c, 'session', openSession(name), { httpOnly: true, sameSite: 'Lax', path: '/' }); // and secure, with https
  return c.redirect('/', 303);
});

app.post('/logout', requireLogin, (c) => {
  closeSession(deleteCookie(c, 'session'));
  tunnel.end(({ user }) => user === c.get('user'), 1008, 'logged out');
  return c.redirect('/', 303);
});

const options = { fetch: app.fetch, port: Number(process.env.PORT ?? 8080), hostname: '127.0.0.1' };
const server = serve(options, ({ port }) => console.log(`listening on http://127.0.0.1:${port}/`));
// Hono hides the tunnel from the package: this line keeps the path for the tunnel, also beside upgradeWebSocket().
tunnel.attach(server, { path: '/vnc', exclusive: true });
