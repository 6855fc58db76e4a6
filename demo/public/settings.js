// The settings panel: the size of the desktop, and the quality of the picture. The browser stores the settings.
import { byId } from './dom.js';
import { setUpPanel } from './panel.js';

// The defaults of noVNC.
const defaults = { size: 'fit', quality: 6, compression: 2, viewOnly: false };
const notes = {
  chosen: 'Keys and pointer are not sent.',
  forced: 'As a trainee you can only watch: the server drops keys and pointer.',
};
const sizes = ['fit', 'real', 'remote'];
const isLevel = (value) => Number.isInteger(value) && value >= 0 && value <= 9;

function remembered() {
  try {
    const { size, quality, compression, viewOnly } = JSON.parse(localStorage.getItem('settings') ?? '{}');
    return {
      size: sizes.includes(size) ? size : defaults.size,
      quality: isLevel(quality) ? quality : defaults.quality,
      compression: isLevel(compression) ? compression : defaults.compression,
      viewOnly: viewOnly === true,
    };
  } catch {
    return { ...defaults };
  }
}

/** `apply(settings)` is called after each change. */
export function setUpSettings(apply) {
  const settings = remembered();
  const form = byId('settings-form');
  let isForced = false;

  const show = () => {
    form.elements.size.value = settings.size;
    form.elements.viewOnly.checked = settings.viewOnly || isForced;
    form.elements.viewOnly.disabled = isForced;
    byId('view-only-note').textContent = isForced ? notes.forced : notes.chosen;
    for (const name of ['quality', 'compression']) {
      form.elements[name].value = settings[name];
      byId(`${name}-value`).textContent = settings[name];
    }
  };
  const change = (changes) => {
    Object.assign(settings, changes);
    show();
    try {
      localStorage.setItem('settings', JSON.stringify(settings));
    } catch {
      // Without storage, the settings last until the user leaves the page.
    }
    apply(settings);
  };

  const panel = byId('settings-panel');
  setUpPanel({
    panel,
    toggle: byId('settings'),
    closer: byId('settings-close'),
    focus: () => form.querySelector('input[name="size"]:checked').focus(),
  });
  form.addEventListener('input', () => {
    change({
      size: form.elements.size.value,
      quality: Number(form.elements.quality.value),
      compression: Number(form.elements.compression.value),
      viewOnly: isForced ? settings.viewOnly : form.elements.viewOnly.checked,
    });
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  show();
  return {
    values: settings,
    change,
    /** A trainee has no choice: the box is ticked, and the user's own setting stays as it is. */
    force(viewOnly) {
      isForced = viewOnly;
      show();
    },
  };
}
