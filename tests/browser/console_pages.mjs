// The pages of the console that console.mjs opens in every language, width and colour scheme.

export const PATHS = [
  "/",
  "/live/demo",
  "/streams",
  "/streams/demo",
  "/products",
  "/orders",
  "/sanctions",
  "/reports",
  "/people",
  "/words",
  "/log",
  "/notifications",
  "/jobs",
  "/cluster",
  "/account",
  "/nowhere",
];
