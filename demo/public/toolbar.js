// The toolbar: what it shows, and those of its buttons that need nothing of the connection.
import { byId, setIcon } from './dom.js';
import { whoami } from './session.js';

const pill = byId('status');
const full = byId('fullscreen');
const scale = byId('scale');
const menu = byId('user-menu');

const labels = {
  connecting: 'Connecting',
  connected: 'Connected',
  disconnected: 'Disconnected',
  refused: 'Refused',
};

/** Shows the state in the pill and offers the buttons that fit it. */
export function showState(state) {
  document.body.dataset.state = state;
  const text = pill.querySelector('.pill-text');
  if (text.textContent !== labels[state]) text.textContent = labels[state];
  const up = state === 'connected';
  const over = state === 'disconnected' || state === 'refused';
  const focused = document.activeElement;
  byId('cad').disabled = !up;
  byId('reconnect').hidden = !over;
  byId('disconnect').hidden = over;
  // The two share a place: whoever was on the one stays there.
  if (focused?.id === 'disconnect' && over) byId('reconnect').focus();
  if (focused?.id === 'reconnect' && !over) byId('disconnect').focus();
}

/** Shows who is logged in and what is behind the tunnel. */
export function showSession(session) {
  if (session.state !== 'in') return;
  const { user, desktop, tunnels, vncPassword } = session;
  byId('desktop').textContent = desktop;
  byId('user-name').textContent = user;
  byId('avatar').textContent = [...user][0]?.toUpperCase() ?? '';
  byId('user').setAttribute('aria-label', `User menu of ${user}`);
  byId('menu-user').textContent = user;
  byId('menu-desktop').textContent = desktop;
  byId('menu-tunnels').textContent = String(tunnels);
  byId('menu-password').textContent = vncPassword ? 'Asked for' : 'None';
  document.title = `${desktop} · express-wstunnel demo`;
}

/** The name that the VNC server gives itself. */
export function showDesktopName(name) {
  byId('desktop').parentElement.title = `The desktop behind the tunnel: ${name}`;
}

const remembered = () => {
  try {
    return localStorage.getItem('scale') !== 'off';
  } catch {
    return true;
  }
};

function showScale(fit) {
  scale.setAttribute('aria-pressed', String(fit));
  scale.dataset.tip = fit
    ? 'Fitted to the window; click for real size'
    : 'Real size; click to fit the window';
}

/** `apply(fit)` is called whenever the user toggles the scaling. */
export function setUpScale(apply) {
  let fit = remembered();
  showScale(fit);
  scale.addEventListener('click', () => {
    fit = !fit;
    try {
      localStorage.setItem('scale', fit ? 'on' : 'off');
    } catch {
      // Without storage it holds until the page is left.
    }
    showScale(fit);
    apply(fit);
  });
  return () => fit;
}

function setUpFullScreen() {
  if (!document.fullscreenEnabled) {
    full.hidden = true;
    return;
  }
  full.addEventListener('click', () => {
    const change =
      document.fullscreenElement === null
        ? document.documentElement.requestFullscreen()
        : document.exitFullscreen();
    change.catch(() => {}); // The browser's own choice; the button follows the event below.
  });
  document.addEventListener('fullscreenchange', () => {
    const on = document.fullscreenElement !== null;
    const label = on ? 'Leave full screen' : 'Full screen';
    setIcon(full, on ? 'unfull' : 'full');
    full.setAttribute('aria-label', label);
    full.dataset.tip = label;
    full.querySelector('.tool-text').textContent = on ? 'Leave' : 'Full screen';
  });
}

/**
 * The desktop swallows every key, Tab included: Ctrl Alt Shift M is the way out for those without a mouse. The blur
 * makes noVNC let go of the keys that it believes to be held.
 */
function setUpWayOut() {
  window.addEventListener(
    'keydown',
    (event) => {
      if (event.code !== 'KeyM' || !event.ctrlKey || !event.altKey || !event.shiftKey) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      window.dispatchEvent(new Event('blur'));
      byId('clipboard').focus();
    },
    true,
  );
}

export function setUpToolbar() {
  setUpFullScreen();
  setUpWayOut();
  menu.addEventListener('toggle', (event) => {
    if (event.newState === 'open') void whoami().then(showSession);
  });
}
