// The icons of the console: strokes on 24 × 24 px in the colour of the text.

const PATHS = {
  home: "M4 11 12 4l8 7v9h-5v-6H9v6H4z",
  live: "M12 9.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5M7.8 16.2a6 6 0 0 1 0-8.4m8.4 0a6 6 0 0 1 0 8.4M5 19a10 10 0 0 1 0-14m14 0a10 10 0 0 1 0 14",
  streams: "M4 6h11v12H4zM15 10l5-3v10l-5-3",
  products: "M5 8h14l-1 12H6zM9 8V7a3 3 0 0 1 6 0v1",
  orders: "M6 3h12v18l-3-2-3 2-3-2-3 2zM9 8h6m-6 4h6",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7m-6 9c0-3.5 2.7-6 6-6s6 2.5 6 6m1-9.4a3.2 3.2 0 0 0 0-6.2m2 15.6h3c0-3-1.5-5.200-4-6",
  sanctions: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M5.700 5.700l12.600 12.600",
  flag: "M6 21V4h12l-3 4.500 3 4.500H6",
  words: "M5 4h14v16H5zM9 9h6m-6 4h6m-6 4h3",
  log: "M4 6h3m3 0h10M4 12h3m3 0h10M4 18h3m3 0h10",
  jobs: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18m0-14v5l3.500 2",
  notifications: "M6 17V11a6 6 0 0 1 12 0v6l2 2H4zm4 2a2 2 0 0 0 4 0",
  cluster: "M4 4h16v6H4zm0 10h16v6H4zM8 7h.01M8 17h.01",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6 6 18",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  pin: "M9 4h6l-1 6 3 3v2H7v-2l3-3zM12 15v5",
  remove: "M5 7h14M10 11v6m4-6v6M6 7l1 13h10l1-13M9 7V4h6v3",
  mute: "M4 5h16v11H9l-5 4zM8.500 8l7 5",
  ban: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M5.700 5.700l12.600 12.600",
  undo: "M9 7 4 12l5 5m-5-5h11a5 5 0 0 1 0 10",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14m5-2 4 4",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8m0-13v2m0 14v2M3 12h2m14 0h2M5.600 5.600 7 7m10 10 1.400 1.400M5.600 18.400 7 17M17 7l1.400-1.400",
  moon: "M20 14a8 8 0 1 1-10-10 6.500 6.500 0 0 0 10 10",
  exit: "M14 4h5v16h-5M4 12h11m-4-4 4 4-4 4",
  down: "M6 9l6 6 6-6",
  send: "M4 12 20 4l-5 16-3-7z",
  megaphone: "M4 10v4h3l9 5V5l-9 5zM19 9a4 4 0 0 1 0 6",
  star: "m12 4 2.500 5.200 5.500.8-4 4 1 5.600-5-2.700-5 2.700 1-5.600-4-4 5.500-.8z",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8",
  snow: "M12 3v18M4.200 7.500l15.600 9m0-9-15.600 9",
  add: "M12 5v14M5 12h14",
  edit: "M5 19h4L19 9l-4-4L5 15z",
  check: "m5 12 5 5 9-10",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18m0-14v5l3.500 2",
  key: "M8 17a4 4 0 1 0 0-8 4 4 0 0 0 0 8m4-4h9m-3 0v4",
  refresh: "M20 11a8 8 0 0 0-14.500-3.500L4 9m0-5v5h5m-5 4a8 8 0 0 0 14.500 3.500L20 15m0 5v-5h-5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
