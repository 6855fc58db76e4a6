// The visible part of the desktop: fitted to the window, or larger, panned and zoomed.
//
// noVNC knows two sizes: the desktop fitted to its element, or clipped at real size. noVNC sends a pinch to the desktop as Ctrl
// and wheel. So the element grows with the zoom, inside a scroller, and noVNC fits the desktop to the element and translates
// pointer positions. The gestures come from noVNC.
import { byId } from './dom.js';

const scroller = byId('scroller');
const screen = byId('screen');
const hand = byId('hand');
const scaleButton = byId('scale');

/** The largest zoom: CSS pixels per desktop pixel. */
const most = 4;
const step = 80;
const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const isTouch = () => window.matchMedia('(pointer: coarse)').matches;
const canvas = () => screen.querySelector('canvas');

/** `changed()`: the desktop has become fitted, or is no longer fitted. `toggle()`: the user switches between fitted and real size. */
export function setUpView({ changed, toggle }) {
  let zoom; // CSS pixels per desktop pixel; undefined: fitted.
  let panning = false;

  const fitted = () => {
    const { width = 0, height = 0 } = canvas() ?? {};
    if (width === 0 || height === 0) return 1;
    return Math.min(scroller.clientWidth / width, scroller.clientHeight / height);
  };

  function showHand() {
    const overflows =
      scroller.scrollWidth > scroller.clientWidth + 1 || scroller.scrollHeight > scroller.clientHeight + 1;
    if (overflows === !hand.hidden) return;
    if (!overflows && hand === document.activeElement) scaleButton.focus();
    hand.hidden = !overflows;
    // With a mouse the user has scroll bars; on a touch screen the user has to drag.
    pan(overflows && isTouch());
  }

  function pan(yes) {
    panning = yes;
    hand.setAttribute('aria-pressed', String(yes));
    scroller.classList.toggle('panning', yes);
  }

  function layOut() {
    const { width = 0, height = 0 } = canvas() ?? {};
    const free = zoom === undefined || width === 0;
    screen.style.width = free ? '' : `${width * zoom}px`;
    screen.style.height = free ? '' : `${height * zoom}px`;
    scaleButton.setAttribute('aria-pressed', String(zoom === undefined));
    scaleButton.dataset.tip =
      zoom === undefined ? 'Fitted; click for real size' : 'Fit the desktop to the window';
    showHand();
  }

  /** Zooms, and keeps the desktop point at the page position (x, y) in place. */
  function zoomTo(next, x, y) {
    const was = zoom;
    const before = screen.getBoundingClientRect();
    zoom = next === undefined || next <= fitted() ? undefined : Math.min(next, Math.max(most, fitted()));
    layOut();
    if (x !== undefined) {
      const after = screen.getBoundingClientRect();
      scroller.scrollLeft += after.left + ((x - before.left) / before.width) * after.width - x;
      scroller.scrollTop += after.top + ((y - before.top) / before.height) * after.height - y;
    }
    if ((was === undefined) !== (zoom === undefined)) changed();
  }

  let from; // The last position of the gesture, and the zoom and the distance of the fingers at its start.
  function onGesture(event) {
    // Safari's events with these names have no such detail.
    const { type, clientX: x, clientY: y, magnitudeX = 0, magnitudeY = 0 } = event.detail ?? {};
    if (type !== 'pinch' && !(panning && type === 'drag')) return;
    event.stopPropagation();
    const distance = Math.hypot(magnitudeX, magnitudeY);
    if (event.type === 'gesturestart') from = { x, y, distance, zoom: zoom ?? fitted() };
    else if (event.type === 'gesturemove' && from !== undefined) {
      if (type === 'pinch') zoomTo((from.zoom * distance) / Math.max(1, from.distance), x, y);
      scroller.scrollBy(from.x - x, from.y - y);
      Object.assign(from, { x, y });
    }
  }
  for (const type of ['gesturestart', 'gesturemove', 'gestureend'])
    screen.addEventListener(type, onGesture, true);

  // Panning with a mouse, until the button is released, inside or outside the page.
  scroller.addEventListener(
    'mousedown',
    (event) => {
      if (!panning || event.button !== 0 || !screen.contains(event.target)) return;
      event.stopPropagation();
      event.preventDefault();
      const move = (moved) => {
        moved.stopPropagation();
        scroller.scrollBy(-moved.movementX, -moved.movementY);
      };
      const end = (last) => {
        last.stopPropagation();
        window.removeEventListener('mousemove', move, true);
        window.removeEventListener('mouseup', end, true);
      };
      window.addEventListener('mousemove', move, true);
      window.addEventListener('mouseup', end, true);
    },
    true,
  );

  hand.addEventListener('click', () => pan(!panning));
  hand.addEventListener('keydown', (event) => {
    const [x, y] = directions[event.key] ?? [];
    if (x === undefined) return;
    event.preventDefault();
    scroller.scrollBy(x * step, y * step);
  });
  scaleButton.addEventListener('click', toggle);

  new ResizeObserver(() => {
    if (zoom !== undefined && zoom < fitted() && zoom !== 1) zoomTo(undefined);
    else layOut();
  }).observe(scroller);
  // noVNC has no event for a new size of the desktop: watch the size of its canvas.
  new window.MutationObserver(layOut).observe(screen, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ['width', 'height'],
  });

  return {
    get zoomed() {
      return zoom !== undefined;
    },
    /** Switches to fitted, or to real size, which may be smaller than fitted. */
    setReal(real) {
      const was = zoom;
      zoom = real ? 1 : undefined;
      layOut();
      if ((was === undefined) !== (zoom === undefined)) changed();
    },
  };
}
