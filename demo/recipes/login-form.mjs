// The form that the pages show to a user who is not logged in.
export const form = `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>Log in</title>
  <style>
    body { font: 16px/1.5 system-ui, sans-serif; margin: 20vh auto 0; max-width: 18rem; padding: 0 1rem }
    label, input, button { box-sizing: border-box; display: block; font: inherit; width: 100% }
    input, button { margin: 0.25rem 0 1rem; padding: 0.5rem }
  </style>
  <form method="post" action="/login">
    <label>User <input name="username" autocomplete="username" required autofocus></label>
    <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
    <button>Log in</button>
  </form>
</html>`;
