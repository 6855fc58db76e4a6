/** The tests use only the parts of Express 4 that have the types of Express 5. */
declare module 'express4' {
  import express from 'express';
  export default express;
}
