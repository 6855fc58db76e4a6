// Koa: the tunnel as a middleware, through koa-connect.
//
//   npm install koa koa-connect express express-wstunnel
//   node koa.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD (see README.md). Express is used only to parse forms.
//
// All of Koa's middleware runs on an upgrade, up to the tunnel. Once the tunnel is open, no middleware continues after its
// `await next()`: write log lines before the call. Headers of `ctx.set()` are in the 101. Koa has no mount paths: one middleware is
// the guard and calls the tunnel, so that no other spelling of the path reaches the tunnel without the guard.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import Koa from 'koa';
import fromConnect from 'koa-connect';
import { nameOf } from './accounts.mjs'; // ({ username, password }) => the user's name, or undefined
import { form } from './login-form.mjs';
import { closeSession, openSession, userOfSession } from './session-ids.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const app = new Koa();

// In place of koa-session, or koa-passport.
app.use(async (ctx, next) => {
  ctx.state.sessionId = ctx.cookies.get('session');
  ctx.req.user = ctx.state.user = userOfSession(ctx.state.sessionId);
  await next();
});

const tunnel = wstunnel({ server: { port: VNC_PORT }, user: (req) => req.user, revalidate: 60 });
const openTunnel = fromConnect(tunnel);

app.use(async (ctx, next) => {
  if (ctx.path !== '/vnc' && !ctx.path.startsWith('/vnc/')) return next();
  ctx.assert(ctx.state.user, 401, 'log in first');
  await openTunnel(ctx, next);
});

app.use(fromConnect(express.urlencoded({ extended: false })));

app.use(async (ctx, next) => {
  const { user, sessionId } = ctx.state;
  if (ctx.method === 'GET' && ctx.path === '/') {
    ctx.type = 'html';
    ctx.body = user ? `you are ${user}` : form;
  } else if (ctx.method === 'POST' && ctx.path === '/login') {
    const name = await nameOf(ctx.req.body ?? {});
    ctx.assert(name, 401, 'unknown user, or wrong password');
    closeSession(sessionId);
    ctx.cookies.set('session', openSession(name), { sameSite: 'lax' }); // HttpOnly is the default
    ctx.status = 303;
    ctx.redirect('/');
  } else if (ctx.method === 'POST' && ctx.path === '/logout') {
    ctx.assert(user, 401, 'log in first');
    closeSession(sessionId);
    tunnel.end((open) => open.user === user, 1008, 'logged out');
    ctx.status = 303;
    ctx.redirect('/');
  } else await next();
});

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
// koa-connect hides the tunnel from the package: this line keeps the path for the tunnel, also beside socket.io.
tunnel.attach(server, { path: '/vnc', exclusive: true });
