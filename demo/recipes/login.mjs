// The login that most recipes import: the session and the route /login of sessions.mjs as a router. Replace this file
// by your own login. The route /logout is in sessions.mjs, because a logout ends tunnels.
import { randomBytes } from 'node:crypto';
import express from 'express';
import session from 'express-session';
import { nameOf } from './accounts.mjs';

export const login = express.Router();

login.use(
  session({
    secret: process.env.SESSION_SECRET ?? randomBytes(32).toString('hex'),
    resave: false,
    saveUninitialized: false,
    cookie: { sameSite: 'lax', secure: 'auto' },
  }),
);

login.post('/login', express.urlencoded({ extended: false }), async (req, res, next) => {
  const name = await nameOf(req.body ?? {});
  if (!name) return res.sendStatus(401);
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.user = name;
    res.redirect(303, '/');
  });
});

export const requireLogin = (req, res, next) => (req.session.user ? next() : res.sendStatus(401));
