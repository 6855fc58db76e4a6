/**
 * How to install an optional package where the command finds it. `npm install PACKAGE` in any folder does not help a command that is
 * installed elsewhere.
 */
export function besideCommand(name: string): string {
  return (
    `beside express-wstunnel: npm install express-wstunnel ${name}; after npm install --global: npm install --global ${name}; ` +
    `with npx: npx --package express-wstunnel --package ${name} express-wstunnel ...`
  );
}
