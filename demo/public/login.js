// The login page: says why the visitor is here, and shows that the form is on its way. The form itself needs no script.
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
  say(byId('error'), 'That user name and password do not match. Please try again.');
  for (const input of [username, password]) input.setAttribute('aria-describedby', 'error');
} else if (why.has('out')) {
  say(byId('notice'), 'You are logged out; your desktop connection was ended.');
} else if (why.has('expired')) {
  say(byId('notice'), 'Your session is over. Log in again to get back to your desktop.');
}

document.querySelector('form').addEventListener('submit', () => {
  button.textContent = 'Logging in…';
  button.disabled = true;
});

// Back from the browser's page cache: the form must be usable again.
window.addEventListener('pageshow', () => {
  button.textContent = 'Log in';
  button.disabled = false;
});
