// All texts of the page in Korean and English, and how amounts, counts and times are written.

import { DoramiError } from "@dorami/client";

const ko = {
  live: "LIVE",
  watching: "{n}명 시청 중",
  language: "EN, 영어로 보기",
  other: "EN",
  account: "로그인과 다른 방송",
  guest: "게스트",
  signOut: "로그아웃",
  signedInAs: "{who}님으로 보고 있어요",
  asGuest: "게스트로 보고 있어요",
  people: "누구로 들어갈까요?",
  peopleNote: "개발 환경에만 있는 계정이에요",
  admin: "관리자",
  host: "진행자",
  viewer: "시청자",
  streams: "지금 라이브",
  close: "닫기",
  dismiss: "알림 닫기",
  deal: "라이브 특가",
  pinned: "고정된 메시지",
  unpin: "고정 해제",
  morePins: "고정된 메시지 {n}개 더 보기",
  announcement: "공지",
  chat: "채팅",
  newest: "새 메시지",
  say: "메시지를 입력하세요",
  message: "메시지",
  send: "보내기",
  joining: "채팅에 들어가는 중이에요",
  writeAsGuest: "로그인하고 채팅 참여하기",
  frozen: "진행자가 채팅을 잠시 멈췄어요",
  slow: "슬로 모드: {n}초에 한 번",
  wait: "{n}초 뒤에",
  muted: "{when}까지 채팅할 수 없어요",
  banned: "이 채팅에서 차단되었어요",
  bannedUntil: "{when}까지 이 채팅에서 차단되었어요",
  notSent: "보내지 못했어요: {why}",
  moderate: "{who}님의 메시지 관리",
  delete: "메시지 삭제",
  report: "신고하기",
  reportThis: "{who}님의 메시지 신고",
  reportWhy: "신고하는 이유를 선택해 주세요",
  reported: "신고했어요. 운영자가 확인할게요",
  SPAM: "스팸·광고",
  ABUSE: "욕설·괴롭힘",
  SEXUAL: "선정적인 내용",
  FRAUD: "사기가 의심돼요",
  PRIVACY: "개인정보 노출",
  OTHER: "다른 이유",
  pin: "위에 고정",
  bag: "상품 보기: {n}",
  heart: "하트 보내기",
  sound: "소리 켜기",
  mute: "소리 끄기",
  items: "라이브 상품",
  orders: "내 주문",
  nothing: "아직 소개된 상품이 없어요",
  noOrders: "아직 주문이 없어요. 마음에 드는 상품을 골라 보세요",
  now: "소개 중",
  fresh: "NEW",
  buy: "구매하기",
  soldOut: "품절",
  left: "{n}개 남음",
  off: "{n}%",
  before: "정가",
  liveOnly: "방송 중에만 구매할 수 있어요",
  quantity: "수량",
  fewer: "하나 줄이기",
  more: "하나 늘리기",
  total: "총 금액",
  confirm: "{amount} 주문하기",
  back: "상품 목록",
  priceChanged: "가격이 바뀌었어요. 새 금액을 확인하고 다시 눌러 주세요",
  shortage: "{n}개만 남았어요",
  gone: "방금 품절되었어요",
  placed: "주문했어요. {time} 안에 결제해 주세요",
  pay: "결제하기",
  payNote: "개발용 결제: 실제로 결제되지 않아요",
  paid: "결제 완료",
  cancel: "주문 취소",
  cancelled: "취소됨",
  expired: "시간 초과로 취소됨",
  pending: "{time} 안에 결제",
  bought: "{who}님이 구매했어요",
  somebody: "누군가",
  startsIn: "방송 시작까지",
  soon: "곧 시작해요",
  ended: "방송이 끝났어요",
  endedNote: "최고 {n}명이 함께 봤어요",
  called: "방송이 취소되었어요",
  unknown: "이런 방송이 없어요",
  connecting: "연결하는 중이에요",
  recovering: "다시 연결하는 중이에요",
  refused: "연결할 수 없어요: {why}",
  again: "다시 시도",
  failed: "{why} ({code})",
};

export type Word = keyof typeof ko;

const en: Record<Word, string> = {
  live: "LIVE",
  watching: "{n} watching",
  language: "한국어, switch to Korean",
  other: "한국어",
  account: "sign in and other shows",
  guest: "Guest",
  signOut: "Sign out",
  signedInAs: "You are {who}",
  asGuest: "You watch as a guest",
  people: "Who do you want to be?",
  peopleNote: "These accounts exist in development only",
  admin: "admin",
  host: "host",
  viewer: "viewer",
  streams: "Live now",
  close: "Close",
  dismiss: "Dismiss",
  deal: "Live deal",
  pinned: "Pinned messages",
  unpin: "Unpin",
  morePins: "Show {n} more pinned messages",
  announcement: "Announcement",
  chat: "Chat",
  newest: "New messages",
  say: "Say something nice",
  message: "Your message",
  send: "Send",
  joining: "Joining the chat",
  writeAsGuest: "Sign in to join the chat",
  frozen: "The host has paused the chat",
  slow: "Slow mode: one message every {n} s",
  wait: "in {n} s",
  muted: "You are muted until {when}",
  banned: "You are banned from this chat",
  bannedUntil: "You are banned from this chat until {when}",
  notSent: "Not sent: {why}",
  moderate: "Moderate the message of {who}",
  delete: "Delete message",
  report: "Report",
  reportThis: "Report the message of {who}",
  reportWhy: "Why do you report this message?",
  reported: "Reported. The staff of the show will look at it",
  SPAM: "Spam or advertising",
  ABUSE: "Insults or harassment",
  SEXUAL: "Sexual content",
  FRAUD: "It may be fraud",
  PRIVACY: "Personal data",
  OTHER: "Something else",
  pin: "Pin on top",
  bag: "Show products: {n}",
  heart: "Send a heart",
  sound: "Turn the sound on",
  mute: "Turn the sound off",
  items: "In this show",
  orders: "My orders",
  nothing: "No products have been shown yet",
  noOrders: "You have no orders yet. Pick something you like",
  now: "On air",
  fresh: "NEW",
  buy: "Buy now",
  soldOut: "Sold out",
  left: "{n} left",
  off: "−{n}%",
  before: "Before",
  liveOnly: "On sale during the show only",
  quantity: "Quantity",
  fewer: "One fewer",
  more: "One more",
  total: "Total",
  confirm: "Order for {amount}",
  back: "All products",
  priceChanged: "The price has changed. Check the new total and press again",
  shortage: "Only {n} left",
  gone: "Just sold out",
  placed: "Ordered. Pay within {time}",
  pay: "Pay",
  payNote: "A payment of development: no money moves",
  paid: "Paid",
  cancel: "Cancel order",
  cancelled: "Cancelled",
  expired: "Not paid in time",
  pending: "Pay within {time}",
  bought: "{who} just bought something",
  somebody: "Somebody",
  startsIn: "The show starts in",
  soon: "Starting soon",
  ended: "The show has ended",
  endedNote: "Most viewers at once: {n}",
  called: "The show was cancelled",
  unknown: "There is no such show",
  connecting: "Connecting",
  recovering: "Reconnecting",
  refused: "Cannot connect: {why}",
  again: "Try again",
  failed: "{why} ({code})",
};

/** Errors, as texts for viewers. For errors that are not listed, the English text of the gateway is shown. */
const REASONS: Record<Language, Partial<Record<string, string>>> = { en: {
  TOKEN_REVOKED: "you were logged out",
  BANNED: "this account is banned",
  NETWORK: "there is no network",
}, ko: {
  AUTH_REQUIRED: "다시 로그인해 주세요",
  TOKEN_EXPIRED: "다시 로그인해 주세요",
  TOKEN_REVOKED: "다른 곳에서 로그아웃되었어요",
  FORBIDDEN: "권한이 없어요",
  BANNED: "차단된 계정이에요",
  MUTED: "채팅할 수 없는 상태예요",
  ROOM_FROZEN: "채팅이 멈춰 있어요",
  MESSAGE_TOO_LONG: "메시지가 너무 길어요",
  INVALID_MESSAGE: "보낼 수 없는 메시지예요",
  RATE_LIMIT_EXCEEDED: "잠시 후에 다시 시도해 주세요",
  CONFLICT: "지금은 할 수 없어요",
  NOT_FOUND: "찾을 수 없어요",
  INSUFFICIENT_STOCK: "재고가 부족해요",
  PRICE_CHANGED: "가격이 바뀌었어요",
  NETWORK: "네트워크에 연결되지 않았어요",
  OFFLINE: "네트워크에 연결되지 않았어요",
  NO_ANSWER: "응답이 없어요",
} };

const KEPT = "dorami.language";
const DICTIONARIES = { ko, en };
export type Language = keyof typeof DICTIONARIES;
const known = (name: string | null): Language | undefined => (name === "ko" || name === "en" ? name : undefined);

export let language: Language = known(localStorage.getItem(KEPT)) ?? (navigator.language.startsWith("ko") ? "ko" : "en");

/** Change the language, now and for later visits. */
export function speak(name: Language): void {
  language = name;
  localStorage.setItem(KEPT, name);
}

/** Return a text in the language of the page with its `{name}`s replaced by values; numbers are formatted. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  return DICTIONARIES[language][word].replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? value.toLocaleString(language) : value;
  });
}

/** Return an amount of money: `39,000원`, `₩39,000`. */
export function money(amount: number, currency: string): string {
  if (language === "ko" && currency === "KRW") return `${amount.toLocaleString("ko")}원`;
  return new Intl.NumberFormat(language, { style: "currency", currency }).format(amount);
}

/** Return a time of today, or another day with its date. */
export function clock(moment: string): string {
  const at = new Date(moment);
  const today = at.toDateString() === new Date().toDateString();
  return at.toLocaleString(language, { ...(!today && { month: "short", day: "numeric" }), hour: "2-digit", minute: "2-digit", hour12: false });
}

/** Return a remaining time in ms as text: `4:59`, `2:13:05`. */
export function remaining(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, place) => (place ? String(part).padStart(2, "0") : part)).join(":");
}

/** Return the text of an error. */
export function reason(error: unknown): string {
  if (!DoramiError.is(error)) return String(error);
  return REASONS[language][error.code] ?? (language === "en" ? error.message.replace(/\.$/, "") : t("failed", { why: error.message, code: error.code }));
}
