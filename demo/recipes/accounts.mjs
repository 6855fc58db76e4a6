// The accounts of the recipes: ann and bob. Replace this file by your user database: store hashes of passwords
// (scrypt, bcrypt) and limit the number of failed logins of each client.
//
// PASSWORD is the password of both users. By default, the program makes a random password and prints it.
import { randomBytes } from 'node:crypto';

if (!process.env.PASSWORD) {
  // An environment variable, so that the workers of a cluster inherit the password.
  process.env.PASSWORD = randomBytes(9).toString('base64url');
  console.log(`users: ann and bob, password: ${process.env.PASSWORD}`);
}

const account = (id, username, hasDesktop) => ({
  id,
  username,
  hasDesktop,
  // The content of this user's cookie `account`, in the recipes without sessions.
  token: randomBytes(16).toString('hex'),
});

export const accounts = [account('1', 'ann', true), account('2', 'bob', false)];

/** The account, or false. */
export async function accountOf(username, password) {
  return password === process.env.PASSWORD && (accounts.find((one) => one.username === username) ?? false);
}

/** The account, or false. */
export async function accountById(id) {
  return accounts.find((one) => one.id === id) ?? false;
}

/** The user's name, or undefined. */
export async function nameOf({ username, password }) {
  return (await accountOf(username, password)).username;
}

/** The account of a Cookie header, or undefined. `signal` is for your database: after the client has left, no one needs the answer. */
export async function accountOfCookie(header = '', { signal }) {
  signal.throwIfAborted();
  return accounts.find(({ token }) => header.split('; ').includes(`account=${token}`));
}
