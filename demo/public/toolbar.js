// The toolbar: its texts, and the buttons that do not need the connection.
import { byId, setIcon } from './dom.js';
import { limitsOf, lockKeys } from './limits.js';

const pill = byId('status');
const full = byId('fullscreen');
const menu = byId('user-menu');

const labels = {
  connecting: 'Connecting',
  connected: 'Connected',
  disconnected: 'Disconnected',
  unavailable: 'Unavailable',
  refused: 'Refused',
};

const passwords = { known: 'Known to the server only', asked: 'Asked for', none: 'None' };

const roles = {
  operator: 'Operator',
  trainee: 'Trainee: watches only',
  administrator: 'Administrator',
};

/** Shows the state in the pill, and the buttons that fit the state. */
export function showState(state) {
  document.body.dataset.state = state;
  const text = pill.querySelector('.pill-text');
  if (text.textContent !== labels[state]) text.textContent = labels[state];
  const up = state === 'connected';
  const over = !up && state !== 'connecting';
  const focused = document.activeElement;
  byId('reconnect').hidden = !over;
  byId('disconnect').hidden = over;
  // The two buttons share a position: keep the focus at that position.
  if (focused?.id === 'disconnect' && over) byId('reconnect').focus();
  if (focused?.id === 'reconnect' && !over) byId('disconnect').focus();
}

/** Nobody is logged in: the toolbar has no account to show, and no connection to offer. */
export function showLoggedOut(value) {
  document.body.toggleAttribute('data-logged-out', value);
  if (value && menu.matches(':popover-open')) menu.hidePopover();
}

/** Shows the user, the desktop and the number of tunnels. */
export function showSession(session) {
  if (session.state !== 'in') return;
  const { user, role, viewOnly, desktop, tunnels, isAdmin, isRecorded, hasTerminal } = session;
  byId('desktop').textContent = desktop;
  byId('user-name').textContent = user;
  byId('avatar').textContent = [...user][0]?.toUpperCase() ?? '';
  byId('user').setAttribute('aria-label', `User menu of ${user}`);
  byId('menu-user').textContent = user;
  byId('menu-role').textContent = roles[role] ?? '';
  byId('menu-desktop').textContent = desktop;
  byId('menu-tunnels').textContent = String(tunnels);
  for (const element of document.querySelectorAll('.recorded, .menu-recorded')) element.hidden = !isRecorded;
  byId('watching').hidden = !viewOnly;
  document.body.toggleAttribute('data-view-only', viewOnly);
  byId('menu-tools').hidden = !hasTerminal;
  byId('menu-admin').hidden = !isAdmin;
  byId('menu-recordings').hidden = !isRecorded;
  document.title = `${desktop} · express-wstunnel demo`;
}

/** Shows the name that the VNC server sends. */
export function showDesktopName(name) {
  byId('desktop').parentElement.title = `Desktop: ${name}`;
}

/** `kind`: 'known' to the server alone, 'asked' for by the VNC server, or 'none'. Undefined while unknown. */
export function showPassword(kind) {
  for (const element of document.querySelectorAll('.menu-password')) element.hidden = kind === undefined;
  byId('menu-password').textContent = passwords[kind] ?? '';
}

function setUpFullScreen() {
  // iPhones have no full screen.
  if (!document.fullscreenEnabled) {
    full.hidden = true;
    return;
  }
  full.addEventListener('click', () => {
    const change =
      document.fullscreenElement === null
        ? document.documentElement.requestFullscreen()
        : document.exitFullscreen();
    change.catch(() => {}); // The browser may refuse; the event below updates the button.
  });
  document.addEventListener('fullscreenchange', () => {
    const on = document.fullscreenElement !== null;
    lockKeys(on);
    const label = on ? 'Leave full screen' : 'Full screen';
    setIcon(full, on ? 'unfull' : 'full');
    full.setAttribute('aria-label', label);
    full.dataset.tip = label;
    full.querySelector('.tool-text').textContent = on ? 'Leave' : 'Full screen';
  });
}

/** The iOS keyboard covers the page, so the page gets the height of the visual viewport. Zooming in does not change the height. */
function setUpHeight() {
  const fit = () => {
    const { height, scale } = window.visualViewport;
    document.body.style.setProperty('--height', `${height * scale}px`);
  };
  window.visualViewport.addEventListener('resize', fit);
  fit();
}

function showLimits() {
  const items = limitsOf().map((text) => {
    const item = document.createElement('li');
    item.textContent = text;
    return item;
  });
  byId('limits-list').replaceChildren(...items);
  byId('limits').hidden = items.length === 0;
}

/** `refresh()` asks for the session again, when the menu opens. */
export function setUpToolbar(refresh) {
  setUpFullScreen();
  setUpHeight();
  showLimits();
  menu.addEventListener('toggle', (event) => {
    if (event.newState === 'open') void refresh();
  });
}
