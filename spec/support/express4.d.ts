/** Express 4, as far as the tests use it, has Express 5's types. */
declare module 'express4' {
  import express from 'express';
  export default express;
}
