// The parts of the first recipe that the later ones import.
import process from 'node:process';
import express from 'express';
import session from 'express-session';
import { nameOf } from './accounts.js';

export const login = express.Router();
login.use(
  session({
    secret: process.env.SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { sameSite: 'lax', secure: 'auto' },
  }),
);
login.post('/login', express.urlencoded({ extended: false }), async (req, res, next) => {
  const name = await nameOf(req.body);
  if (!name) return res.sendStatus(401);
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.user = name;
    res.redirect(303, '/');
  });
});

export const requireLogin = (req, res, next) => (req.session.user ? next() : res.sendStatus(401));
