// What the recipes call yours: two accounts, in each shape that a recipe asks for.
const accounts = [
  { id: '1', username: 'ann', password: 'secret of ann', hasDesktop: true },
  { id: '2', username: 'bob', password: 'secret of bob', hasDesktop: false },
];

export async function nameOf({ username, password }) {
  return accounts.find((one) => one.username === username && one.password === password)?.username;
}

export async function accountOf(username, password) {
  return accounts.find((one) => one.username === username && one.password === password) ?? false;
}

export async function accountById(id) {
  return accounts.find((one) => one.id === id) ?? false;
}

export async function accountOfCookie(header, { signal }) {
  if (signal.aborted) throw signal.reason;
  return accounts.find(({ username }) => header === `account=${username}`);
}
