// The login page: shows why the user sees the form, and that the form was sent. The form works without this script.
const byId = (id) => document.getElementById(id);

const why = new URLSearchParams(location.search);
const username = byId('username');
const password = byId('password');
const button = byId('login');

function say(element, text) {
  element.textContent = text;
  element.hidden = false;
}

if (why.has('error')) {
  say(byId('error'), 'Wrong user name or password. Try again.');
  for (const input of [username, password]) input.setAttribute('aria-describedby', 'error');
} else if (why.has('out')) {
  say(byId('notice'), 'You are logged out, and your connection to the desktop is closed.');
} else if (why.has('expired')) {
  say(byId('notice'), 'Your session has ended. Log in again to return to the desktop.');
}

const roles = {
  operator: 'uses the desktop',
  trainee: 'only watches',
  administrator: 'sees all tunnels, changes roles',
};

/** Offers the names of the accounts. The form works without them. */
async function showAccounts() {
  const answer = await fetch('/logins', { cache: 'no-store' });
  if (!answer.ok) return;
  const items = (await answer.json()).map(({ name, role }) => {
    const [item, choice, what] = ['li', 'button', 'span'].map((kind) => document.createElement(kind));
    choice.type = 'button';
    choice.className = 'account';
    const strong = document.createElement('strong');
    strong.textContent = name;
    what.textContent = roles[role] ?? role;
    choice.append(strong, what);
    choice.addEventListener('click', () => {
      username.value = name;
      password.focus();
    });
    item.append(choice);
    return item;
  });
  byId('accounts-list').replaceChildren(...items);
  byId('accounts').hidden = false;
}

document.querySelector('form').addEventListener('submit', () => {
  button.textContent = 'Logging in…';
  button.disabled = true;
});

// After Back, the browser shows the page from its cache, with the button disabled: enable the button.
window.addEventListener('pageshow', () => {
  button.textContent = 'Log in';
  button.disabled = false;
});

await showAccounts().catch(() => {});
