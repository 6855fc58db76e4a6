import js from '@eslint/js';
import tseslint from 'typescript-eslint';

// The house (imports run downwards): a module may import from the layers after its own, never from its own or those
// before. The steps (guard to routes) never import each other: only src/tunnel/ wires them.
const layers = [
  ['cli'],
  ['command'],
  ['index', 'client', 'redis', 'cluster', 'tokens', 'record'],
  ['lighttpd'],
  ['wstunnel'],
  ['tunnel'],
  ['options', 'shared'],
  ['replicas'],
  ['admin'],
  ['upgrade'],
  ['guard', 'balance', 'backends', 'frames', 'routes', 'vnc'],
  ['request', 'sockets', 'streams'],
  ['errors', 'observe', 'types', 'helpers', 'internals'],
];
const room = (name) => `^(\\.\\.?/)+${name}(/|\\.js$)`;
const filesOf = (name) => [`src/${name}.ts`, `src/${name}/**/*.ts`];

const downwards = layers.flatMap((layer, depth) =>
  layer.map((name) => {
    const upper = layers.slice(0, depth).flat();
    // Ground modules are small and may use each other (types, errors).
    const beside = depth === layers.length - 1 ? [] : layer.filter((other) => other !== name);
    return {
      files: filesOf(name),
      rules: {
        'no-restricted-imports': [
          'error',
          {
            patterns: [...upper, ...beside].map((other) => ({
              regex: room(other),
              message: `imports run downwards: ${name} may not import ${other} (see eslint.config.js).`,
            })),
          },
        ],
      },
    };
  }),
);

export default tseslint.config(
  { ignores: ['dist', 'demo/.build', 'coverage'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './spec/tsconfig.json', './demo/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      // What a hook throws, or an AbortSignal carries, is passed on as it is.
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      // A Duplex of another kind stands in for a socket wherever Node allows it.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
    },
  },
  {
    files: ['spec/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
    },
  },
  {
    files: ['demo/public/**/*.js', 'src/admin/page/*.js'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'document',
          'window',
          'location',
          'navigator',
          'fetch',
          'setTimeout',
          'clearTimeout',
          'setInterval',
          'clearInterval',
          'URL',
          'URLSearchParams',
          'console',
          'requestAnimationFrame',
          'localStorage',
          'sessionStorage',
          'HTMLElement',
          'FormData',
          'Event',
          'WebSocket',
          'performance',
          'ResizeObserver',
          'history',
          'EventSource',
          'IntersectionObserver',
          'AbortSignal',
          'TextEncoder',
          'Option',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    files: ['demo/recipes/*.mjs'],
    languageOptions: {
      globals: Object.fromEntries(['process', 'console', 'Buffer', 'URL'].map((name) => [name, 'readonly'])),
    },
  },
  {
    // What Node, Express and ws keep inside is read in src/internals alone, where a contract test watches each use.
    files: ['src/**/*.ts'],
    ignores: ['src/internals/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...[
          "MemberExpression[property.name=/^_[a-z]/]:not([object.type='Super'])",
          'ObjectPattern > Property[key.name=/^_[a-z]/]',
          'TSPropertySignature[key.name=/^_[a-z]/]',
          'MemberExpression[property.name=/^(getOwnPropertySymbols|assignSocket|detachSocket)$/]',
        ].map((selector) => ({
          selector,
          message: 'an internal of Node, Express or ws: use src/internals.',
        })),
      ],
    },
  },
  ...downwards,
);
