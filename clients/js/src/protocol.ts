// Made by `python -m gateway.dev.client_types` from the gateway's AsyncAPI and OpenAPI documents. Do not edit.

/**
 * Why a pin ended.
 */
export type Cause = "unpinned" | "expired" | "replaced" | "deleted";
/**
 * The codes of errors; they never change.
 */
export type Code =
  | "INVALID_PAYLOAD"
  | "INVALID_MESSAGE"
  | "MESSAGE_TOO_LONG"
  | "AUTH_REQUIRED"
  | "TOKEN_EXPIRED"
  | "TOKEN_REVOKED"
  | "FORBIDDEN"
  | "CSRF_TOKEN_MISSING"
  | "CSRF_TOKEN_INVALID"
  | "MUTED"
  | "BANNED"
  | "NOT_FOUND"
  | "UNKNOWN_EVENT"
  | "NOT_IN_ROOM"
  | "CONFLICT"
  | "INSUFFICIENT_STOCK"
  | "PRICE_CHANGED"
  | "ROOM_FROZEN"
  | "PAYLOAD_TOO_LARGE"
  | "RATE_LIMIT_EXCEEDED"
  | "SLOW_MODE"
  | "INTERNAL_ERROR"
  | "SERVICE_UNAVAILABLE";
/**
 * A permission of moderators.
 */
export type Power = "MUTE" | "BAN" | "SETTINGS" | "ANNOUNCE" | "PIN" | "REVIEW" | "DELETE" | "CLEAR";
/**
 * The actions in the audit log.
 */
export type ModerationAction =
  | "MUTE"
  | "UNMUTE"
  | "BAN"
  | "UNBAN"
  | "SLOW_MODE"
  | "FREEZE"
  | "UNFREEZE"
  | "ALLOW_GUESTS"
  | "REFUSE_GUESTS"
  | "ANNOUNCE"
  | "DELETE_MESSAGE"
  | "KEEP_MESSAGE"
  | "CLEAR"
  | "UNDO_CLEAR"
  | "PIN"
  | "UNPIN"
  | "ADD_WORD"
  | "CHANGE_WORD"
  | "REMOVE_WORD"
  | "CHANGE_SANCTION"
  | "CREATE_STREAM"
  | "CHANGE_STREAM"
  | "START_STREAM"
  | "STOP_STREAM"
  | "CANCEL_STREAM"
  | "ROTATE_INGEST_KEY"
  | "CREATE_PRODUCT"
  | "CHANGE_PRODUCT"
  | "DELETE_PRODUCT"
  | "PAY_ORDER"
  | "CANCEL_ORDER"
  | "CREATE_USER"
  | "CHANGE_ROLE"
  | "SUSPEND"
  | "UNSUSPEND"
  | "RESET_PASSWORD"
  | "LOGOUT_USER"
  | "DISCONNECT"
  | "DRAIN_NODE"
  | "RESUME_NODE";

/**
 * `POST /moderation/words`: a word for one room, or without `live_id` for all.
 */
export interface AddWord {
  word: string;
  action: "ALLOW" | "MASK" | "BLOCK";
  liveId?: string | null;
}
/**
 * `chat:allow-guests`: whether guests may send messages.
 */
export interface AllowGuests {
  liveId: string;
  allowed: boolean;
}
/**
 * `chat:announce`.
 */
export interface Announce {
  liveId: string;
  message: string;
}
/**
 * The ack of `chat:announce`.
 */
export interface Announced {
  seq: number;
  timestamp: string;
}
/**
 * `data` of `chat:announcement`; `seq` is its place in the room log.
 */
export interface Announcement {
  seq: number;
  liveId: string;
  userId: string;
  username: string;
  role: string;
  message: string;
  timestamp: string;
}
/**
 * `PATCH /products/order`: products of a stream in their new order; those that are not named keep their place.
 */
export interface ArrangeProducts {
  streamKey: string;
  /**
   * @minItems 1
   * @maxItems 100
   */
  ids: [string, ...string[]];
}
/**
 * `auth:refresh`: a new access token of the same user, for an open socket.
 */
export interface AuthRefresh {
  token: string;
}
/**
 * The ack of `auth:refresh`.
 */
export interface AuthRefreshed {
  userId: string;
  role: string;
  expiresAt: string;
}
/**
 * The ack of `chat:ban-user`, with the number of messages that were deleted.
 */
export interface BanAck {
  liveId: string | null;
  userId: string;
  until: string | null;
  sanctionId: string | null;
  deleted: number;
}
/**
 * `chat:ban-user`: from a room, or without `live_id` everywhere; without `seconds` for good.
 *
 * Also `chat:unban-user`, which ignores `seconds` and `delete_messages`.
 */
export interface BanUser {
  liveId?: string | null;
  userId: string;
  seconds?: number | null;
  reason?: string | null;
  deleteMessages?: boolean;
}
/**
 * `chat:banned`, sent to the sockets of a user before they end; `live_id` is null for a ban everywhere.
 */
export interface Banned {
  liveId: string | null;
  until: string;
  reason: string | null;
}
/**
 * One of the changes of `PATCH /products`.
 */
export interface ChangeOneOf {
  name?: string | null;
  price?: (number | string) | null;
  stock?: number | null;
  description?: string | null;
  originalPrice?: (number | string) | null;
  discountRate?: number | null;
  imageUrl?: string | null;
  images?:
    | []
    | [string]
    | [string, string]
    | [string, string, string]
    | [string, string, string, string]
    | [string, string, string, string, string]
    | [string, string, string, string, string, string]
    | [string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string, string, string]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | null;
  sortOrder?: number | null;
  isNew?: boolean | null;
  expectedVersion?: number | null;
  id: string;
}
/**
 * `POST /users/me/password`.
 */
export interface ChangePassword {
  currentPassword: string;
  newPassword: string;
}
/**
 * `PATCH /products/{id}`: the given fields change. A new price ends a deal.
 *
 * `expectedVersion` (or `version`, its former name) must equal the stored version if it is given.
 */
export interface ChangeProduct {
  name?: string | null;
  price?: (number | string) | null;
  stock?: number | null;
  description?: string | null;
  originalPrice?: (number | string) | null;
  discountRate?: number | null;
  imageUrl?: string | null;
  images?:
    | []
    | [string]
    | [string, string]
    | [string, string, string]
    | [string, string, string, string]
    | [string, string, string, string, string]
    | [string, string, string, string, string, string]
    | [string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string, string, string]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | null;
  sortOrder?: number | null;
  isNew?: boolean | null;
  expectedVersion?: number | null;
}
/**
 * `PATCH /products`: all of the changes or none. Each product may occur once.
 */
export interface ChangeProducts {
  /**
   * @minItems 1
   * @maxItems 100
   */
  items: [ChangeOneOf, ...ChangeOneOf[]];
}
/**
 * `PATCH /users/me`.
 */
export interface ChangeProfile {
  username: string;
}
/**
 * `PATCH /users/{id}`.
 */
export interface ChangeRole {
  role: "USER" | "HOST" | "MODERATOR" | "ADMIN";
}
/**
 * `PATCH /moderation/sanctions/{id}`: the sanction ends after `seconds` from now, or never if null.
 */
export interface ChangeSanction {
  seconds: number | null;
  reason?: string | null;
}
/**
 * `PATCH /products/{id}/stock`: a new stock, or a difference; exactly one of the two.
 */
export interface ChangeStock {
  stock?: number | null;
  change?: number | null;
  expectedVersion?: number | null;
}
/**
 * `PATCH /streams/{key}`: the given fields change. The time of a started stream cannot change.
 */
export interface ChangeStream {
  title?: string | null;
  description?: string | null;
  scheduledAt?: string | null;
  ordersWhenNotLive?: boolean | null;
}
/**
 * `PATCH /moderation/words/{id}`.
 */
export interface ChangeWord {
  action: "ALLOW" | "MASK" | "BLOCK";
}
/**
 * The products after the changes, in the order of the changes.
 */
export interface ChangedProducts {
  items: Product[];
}
/**
 * A product. A client that has a newer `version` ignores an older event.
 */
export interface Product {
  id: string;
  streamKey: string;
  name: string;
  description: string;
  price: number;
  originalPrice: number | null;
  currency: string;
  discountRate: number;
  dealEndsAt: string | null;
  stock: number;
  status: "AVAILABLE" | "SOLD_OUT";
  imageUrl: string | null;
  images: string[];
  sortOrder: number;
  isNew: boolean;
  version: number;
  createdAt: string;
  updatedAt: string;
}
/**
 * `chat:clear`: delete the messages of a room; only those of `user_id` and of the `last_seconds` if given.
 *
 * With `dry_run` nothing is deleted, and the ack has the number that would be.
 */
export interface Clear {
  liveId: string;
  userId?: string | null;
  lastSeconds?: number | null;
  reason?: string | null;
  dryRun?: boolean;
}
/**
 * The ack of `chat:clear`. `clear_id`, with which the clear can be undone, is null if nothing was deleted.
 *
 * `remaining`: how many messages were too many for one request; repeating the request continues.
 */
export interface ClearAck {
  deleted: number;
  remaining: number;
  clearId: string | null;
  dryRun: boolean;
}
/**
 * `data` of `chat:cleared`: messages with `from_seq` <= `seq` < `before_seq` were deleted.
 *
 * With `user_id` only those of this sender. A large clear sends several events.
 */
export interface Cleared {
  liveId: string;
  userId?: string;
  fromSeq: number;
  beforeSeq: number;
  clearId: string;
  timestamp: string;
}
/**
 * The state of one thing that the node needs.
 *
 * `full`: it answers, and has no memory or disk for writes. `partial`: some servers of a cluster are down.
 */
export interface Component {
  status: "up" | "full" | "partial" | "down";
}
/**
 * `connected` on `/`, and with `timestamp` the `data` of `connection:success`.
 */
export interface Connected {
  message: string;
  userId: string;
  role: string;
  authenticated: boolean;
  protocol: string;
  serverTime: string;
  expiresAt: string;
  limits: Limits;
}
/**
 * The limits that apply to the client.
 */
export interface Limits {
  messageLength: number;
  rates: {
    [k: string]: RateLimit;
  };
}
/**
 * How many requests of a kind a user may make within a number of seconds.
 */
export interface RateLimit {
  count: number;
  seconds: number;
}
/**
 * `GET /cluster/connections`. `silent` are the nodes that did not answer, whose connections are missing.
 */
export interface ConnectionList {
  items: ConnectionView[];
  silent: string[];
}
/**
 * One connection of a person. `rooms` are those whose events it gets; `id` is not the secret session id.
 */
export interface ConnectionView {
  id: string;
  node: string;
  userId: string;
  username: string;
  role: string;
  transport: string;
  address: string;
  connectedAt: string;
  namespaces: string[];
  rooms: string[];
}
/**
 * `GET /cluster/connections` of a user or guest: `userId`, or `user`.
 */
export interface ConnectionQuery {
  userId: string;
}
/**
 * The `data` of `connection:success` on `/chat` and `/streaming`.
 */
export interface ConnectionSuccess {
  message: string;
  userId: string;
  role: string;
  authenticated: boolean;
  protocol: string;
  serverTime: string;
  expiresAt: string;
  limits: Limits;
  timestamp: string;
}
/**
 * `POST /jobs`: cut the replay of an ended stream from its recording, in one or more renditions.
 *
 * `source` is a path below the media folder; `from` and `to` are seconds from its beginning.
 */
export interface CreateJob {
  kind: "replay";
  streamKey: string;
  source: string;
  from?: number;
  to?: number | null;
  /**
   * @minItems 1
   * @maxItems 4
   */
  renditions?:
    | ["1080p" | "720p" | "480p" | "360p"]
    | ["1080p" | "720p" | "480p" | "360p", "1080p" | "720p" | "480p" | "360p"]
    | ["1080p" | "720p" | "480p" | "360p", "1080p" | "720p" | "480p" | "360p", "1080p" | "720p" | "480p" | "360p"]
    | [
        "1080p" | "720p" | "480p" | "360p",
        "1080p" | "720p" | "480p" | "360p",
        "1080p" | "720p" | "480p" | "360p",
        "1080p" | "720p" | "480p" | "360p"
      ];
}
/**
 * `POST /products`.
 */
export interface CreateProduct {
  streamKey: string;
  name: string;
  /**
   * at most two decimals; a number, or a decimal string
   */
  price: number | string;
  stock: number;
  description?: string;
  originalPrice?: (number | string) | null;
  discountRate?: number;
  imageUrl?: string | null;
  /**
   * @maxItems 20
   */
  images?:
    | []
    | [string]
    | [string, string]
    | [string, string, string]
    | [string, string, string, string]
    | [string, string, string, string, string]
    | [string, string, string, string, string, string]
    | [string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string, string]
    | [string, string, string, string, string, string, string, string, string, string, string, string, string, string]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ]
    | [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string,
        string
      ];
  sortOrder?: number;
  isNew?: boolean;
}
/**
 * `POST /streams`; without a key the gateway makes one. `ordersWhenNotLive`: accept orders before and after.
 */
export interface CreateStream {
  title: string;
  key?: string | null;
  description?: string;
  scheduledAt?: string | null;
  ordersWhenNotLive?: boolean;
}
/**
 * `POST /users`: without a password the answer has a one-time link; its user must change a given one.
 */
export interface CreateUser {
  email: string;
  username: string;
  role?: "USER" | "HOST" | "MODERATOR" | "ADMIN";
  password?: string | null;
}
/**
 * The answer to `POST /users`; `link` is null for an account with a password.
 */
export interface CreatedUser {
  user: UserView;
  link: PasswordLink | null;
}
/**
 * An account, or a guest, who has no e-mail address. `mustChangePassword` is left out unless it is true.
 */
export interface UserView {
  id: string;
  email: string | null;
  username: string;
  role: string;
  status: string;
  mustChangePassword?: boolean;
  createdAt: string;
}
/**
 * The secret of a one-time link: the page `/console/password#<token>` takes it. It cannot be read again.
 */
export interface PasswordLink {
  token: string;
  expiresAt: string;
}
/**
 * `GET /auth/csrf`: the value for the header `X-CSRF-Token` of unsafe requests with cookies.
 */
export interface CsrfToken {
  csrfToken: string;
}
/**
 * `GET /auth/session`; `user` is null without a valid session.
 *
 * `powers` are the permissions in every room, `host_powers` those in the rooms of the caller's own streams;
 * `expires_at` is that of the access token.
 */
export interface CurrentSession {
  user: UserView | null;
  powers: Power[];
  hostPowers: Power[];
  expiresAt: string | null;
}
/**
 * A place in a room log. `epoch` identifies the log; cursors of other epochs are void.
 */
export interface Cursor {
  epoch: string;
  seq: number;
}
/**
 * `chat:delete-message`.
 */
export interface DeleteMessage {
  liveId: string;
  messageId: string;
  reason?: string | null;
}
/**
 * The ack of `chat:delete-message`.
 */
export interface Deleted {
  messageId: string;
  alreadyDeleted: boolean;
}
/**
 * `POST /streams/{key}/duplicate`: a scheduled stream like this one, with its products unless `products` is false.
 *
 * Without a key the gateway makes one, without a title the copy has the same.
 */
export interface DuplicateStream {
  key?: string | null;
  title?: string | null;
  scheduledAt?: string | null;
  products?: boolean;
}
/**
 * `POST /auth/guest`: a refresh token of a guest continues that guest's session.
 *
 * Browsers are recognised by a cookie; an app without cookies sends an id that it stores.
 */
export interface EnterAsGuest {
  refreshToken?: string | null;
  deviceId?: string | null;
}
/**
 * The error in an ack.
 */
export interface ErrorBody {
  code: Code;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
  details?: {
    [k: string]: unknown;
  };
}
/**
 * The `error` event, sent to a client that asked for no ack; `event` is the name it sent, None for no string.
 */
export interface ErrorEvent {
  type: "error";
  event: string | null;
  errorCode: Code;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
  details?: {
    [k: string]: unknown;
  };
  requestId: string;
  timestamp: string;
}
/**
 * `auth:expiring`: when the socket ends, unless its client sends a new token with `auth:refresh`.
 */
export interface Expiring {
  expiresAt: string;
}
/**
 * The ack of a failed request.
 */
export interface Failure {
  ok: false;
  error: ErrorBody;
  requestId: string;
  ts: number;
}
/**
 * `auth:expired`, `auth:revoked` and `server:shutdown`: why the server ends a socket, and whether to reconnect.
 */
export interface Farewell {
  code: Code;
  reconnect: boolean;
  retryAfterMs?: number;
}
/**
 * `PUT /streams/{key}/featured-product`.
 */
export interface FeatureProduct {
  productId: string;
}
/**
 * `stream:featured-product:updated`: the product that a stream shows first, null for none.
 */
export interface FeaturedProduct {
  streamKey: string;
  productId: string | null;
  product: Product | null;
}
/**
 * The result of the check: `text` is what would be stored, null if the message would be refused.
 */
export interface FilteredText {
  action: "ALLOW" | "MASK" | "BLOCK";
  text: string | null;
}
/**
 * `chat:freeze`: whether only moderators may send messages.
 */
export interface Freeze {
  liveId: string;
  frozen: boolean;
}
/**
 * `data` of `stream:hearts`: the hearts sent through one node since its last event, the receiver's own too.
 */
export interface Hearts {
  streamKey: string;
  count: number;
  timestamp: string;
}
/**
 * The ack of `stream:heart`.
 */
export interface HeartsSent {
  streamKey: string;
}
/**
 * `chat:history`: a page of messages before a message id, newest page first.
 */
export interface History {
  liveId: string;
  before?: string | null;
  limit?: number;
}
/**
 * `data` of the event `chat:history`, sent to a socket that joined without an ack.
 */
export interface HistoryEvent {
  liveId: string;
  messages: HistoryMessage[];
}
/**
 * An entry of the history in the ack of a join: a message, or with `kind` an announcement.
 */
export interface HistoryMessage {
  id: string;
  liveId: string;
  userId: string;
  username: string;
  role: "GUEST" | "USER" | "HOST" | "MODERATOR" | "ADMIN";
  message: string;
  clientMessageId: string | null;
  timestamp: string;
  seq: number;
  kind?: "announcement";
}
/**
 * The ack of `chat:history`, oldest first. `next_before` is `before` of the next page, null after the last one.
 */
export interface HistoryPage {
  messages: Message[];
  nextBefore: string | null;
}
/**
 * A stored message, in the history and as `data` of `chat:message`.
 */
export interface Message {
  id: string;
  liveId: string;
  userId: string;
  username: string;
  role: "GUEST" | "USER" | "HOST" | "MODERATOR" | "ADMIN";
  message: string;
  clientMessageId: string | null;
  timestamp: string;
  seq: number;
}
/**
 * The body of HTTP answers with status 400 and above.
 */
export interface HttpError {
  statusCode: number;
  errorCode: Code;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
  details?: {
    [k: string]: unknown;
  };
  requestId: string;
  timestamp: string;
}
/**
 * The answer to `POST /streams/{key}/ingest-key`: a secret for the encoder, which cannot be read again.
 */
export interface IngestKey {
  streamKey: string;
  ingestKey: string;
  createdAt: string;
}
/**
 * A job. `result` is null unless the job is DONE.
 */
export interface Job {
  id: string;
  kind: "replay";
  streamKey: string;
  status: "QUEUED" | "RUNNING" | "DONE" | "FAILED" | "CANCELLED";
  progress: number;
  detail: string;
  result: {
    [k: string]: unknown;
  } | null;
  createdAt: string;
  startedAt: string | null;
  endedAt: string | null;
}
/**
 * A page of jobs, newest first; `next_cursor` is null at the end.
 */
export interface JobPage {
  items: Job[];
  nextCursor: string | null;
}
/**
 * `GET /jobs`, filtered by status or stream.
 */
export interface JobQuery {
  cursor?: string | null;
  limit?: number;
  status?: ("QUEUED" | "RUNNING" | "DONE" | "FAILED" | "CANCELLED") | null;
  streamKey?: string | null;
}
/**
 * `data` of `job:update`; `progress` is in percent.
 */
export interface JobUpdate {
  id: string;
  kind: "replay";
  progress: number;
  status: "QUEUED" | "RUNNING" | "DONE" | "FAILED" | "CANCELLED";
  detail: string;
}
/**
 * `join:orders`.
 */
export interface JoinOrders {
  since?: Since | null;
}
/**
 * A cursor that a client received earlier and sends back.
 */
export interface Since {
  epoch: string;
  seq: number;
}
/**
 * `chat:join-room`.
 */
export interface JoinRoom {
  liveId: string;
  since?: Since | null;
}
/**
 * `join:stream`.
 */
export interface JoinStream {
  streamId: string;
  since?: Since | null;
}
/**
 * The ack of `chat:join-room`. If `recovered`, `events` has what was missed; else `history` is complete.
 */
export interface Joined {
  roomName: string;
  members: number;
  history: HistoryMessage[];
  pinned: PinnedMessage[];
  settings: RoomSettings;
  you: You;
  cursor: Cursor;
  recovered: boolean;
  events?: Missed[];
}
/**
 * A pinned message, in the ack of a join and as `data` of `chat:pinned`; without `pinned_until` it stays pinned.
 *
 * It has no `seq` of the message: the `seq` of an event is the event's own place, by which clients drop repetitions.
 */
export interface PinnedMessage {
  id: string;
  liveId: string;
  userId: string;
  username: string;
  role: "GUEST" | "USER" | "HOST" | "MODERATOR" | "ADMIN";
  message: string;
  clientMessageId: string | null;
  timestamp: string;
  pinnedBy: string;
  pinnedAt: string;
  pinnedUntil: string | null;
}
/**
 * The settings of a chat room, which moderators change.
 */
export interface RoomSettings {
  slowModeSeconds: number;
  frozen: boolean;
  guestsAllowed: boolean;
}
/**
 * The joining user and their rights in the room.
 */
export interface You {
  canSend: boolean;
  mutedUntil: string | null;
  moderator: boolean;
  powers: Power[];
  userId: string;
  username: string;
  role: "GUEST" | "USER" | "HOST" | "MODERATOR" | "ADMIN";
}
/**
 * One event that a client missed, as it was broadcast.
 */
export interface Missed {
  event: string;
  payload: unknown;
  seq: number;
}
/**
 * `chat:leave-room`.
 */
export interface LeaveRoom {
  liveId: string;
}
/**
 * `leave:stream`.
 */
export interface LeaveStream {
  streamId: string;
}
/**
 * The ack of `chat:leave-room`.
 */
export interface Left {
  roomName: string;
}
/**
 * `chat:unmuted` and `chat:unbanned`: a sanction of `user_id` was lifted; `live_id` is null for one everywhere.
 */
export interface Lifted {
  userId: string;
  liveId: string | null;
}
/**
 * `GET /health/live`: the process answers.
 */
export interface Live {
  status: "ok";
  timestamp: string;
}
/**
 * An entry of the audit log. The content of `details` depends on the action.
 */
export interface LogEntry {
  id: string;
  action: string;
  liveId: string | null;
  actorId: string;
  actorName: string | null;
  subjectId: string | null;
  subjectName: string | null;
  messageId: string | null;
  reason: string | null;
  details: {
    [k: string]: unknown;
  };
  timestamp: string;
}
/**
 * A page of the audit log, newest first.
 */
export interface LogPage {
  items: LogEntry[];
  nextCursor: string | null;
}
/**
 * `GET /moderation/log`, filtered by room, actor, subject, action, or time (`from` inclusive, `to` exclusive).
 *
 * `format=jsonl` answers all entries as lines of JSON.
 */
export interface LogQuery {
  cursor?: string | null;
  limit?: number;
  liveId?: string | null;
  actorId?: string | null;
  subjectId?: string | null;
  action?: ModerationAction | null;
  from?: string | null;
  to?: string | null;
  format?: "json" | "jsonl";
}
/**
 * `POST /auth/login`.
 */
export interface Login {
  email: string;
  password: string;
}
/**
 * `data` of `product:low-stock`.
 */
export interface LowStock {
  productId: string;
  productName: string;
  remainingStock: number;
}
/**
 * `POST /notifications/read`: the notifications of these ids, or all without `ids`.
 */
export interface MarkRead {
  ids?: [string, ...string[]] | null;
}
/**
 * A page of the people in a chat, by name; `total` counts all of them, also in a search.
 */
export interface MemberPage {
  items: MemberView[];
  total: number;
  nextCursor: string | null;
}
/**
 * A member of a chat room.
 */
export interface MemberView {
  userId: string;
  username: string;
  role: string;
  guest: boolean;
}
/**
 * `GET /streams/{key}/members`, filtered by text in the name.
 */
export interface MemberQuery {
  cursor?: string | null;
  limit?: number;
  search?: string | null;
}
/**
 * `data` of `chat:message-deleted`; `seq` is the place of the deletion in the room log.
 *
 * `deleted_by` is `system` for a message that reports have hidden; it may come back by `chat:restored`.
 */
export interface MessageDeleted {
  messageId: string;
  seq: number;
  liveId: string;
  deletedBy: string;
  reason: string | null;
  timestamp: string;
}
/**
 * `GET /streams/{key}/messages`, filtered by sender, time (`from` inclusive, `to` exclusive) or words.
 *
 * `deleted` lists only deleted messages; `format=jsonl` answers all messages as lines of JSON.
 */
export interface MessageQuery {
  cursor?: string | null;
  limit?: number;
  userId?: string | null;
  from?: string | null;
  to?: string | null;
  deleted?: boolean;
  search?: string | null;
  format?: "json" | "jsonl";
}
/**
 * `chat:mute-user`, without `seconds` for good; `chat:unmute-user`, which ignores `seconds`.
 */
export interface MuteUser {
  liveId: string;
  userId: string;
  seconds?: number | null;
  reason?: string | null;
}
/**
 * `chat:muted`, to the sockets of a user in a room. `until` is null if the mute was lifted.
 *
 * `live_id` is null for a mute in all rooms.
 */
export interface Muted {
  liveId: string | null;
  until: string | null;
}
/**
 * `GET /cluster/nodes`, by name.
 */
export interface NodePage {
  items: NodeView[];
}
/**
 * One node. `gone`: no sign of life for 10 s.
 */
export interface NodeView {
  memory: number | null;
  components: {
    [k: string]: "up" | "full" | "partial" | "down";
  };
  eventsPerSecond: number | null;
  deliveriesPerSecond: number | null;
  id: string;
  name: string;
  version: string;
  startedAt: string;
  seenAt: string;
  status: ("ok" | "degraded" | "error" | "draining") | "gone";
  connections: number;
}
/**
 * `data` of `notification:new`. A repetition has the same `id`.
 */
export interface Notification {
  id: string;
  title: string;
  message: string;
  level: "INFO" | "SUCCESS" | "WARNING" | "ERROR";
  timestamp: string;
}
/**
 * A page of the caller's notifications, newest first; `next_cursor` is null at the end.
 */
export interface NotificationPage {
  unread: number;
  items: NotificationView[];
  nextCursor: string | null;
}
/**
 * A notification in a list; `read_at` is null while it is unread.
 */
export interface NotificationView {
  id: string;
  title: string;
  message: string;
  level: "INFO" | "SUCCESS" | "WARNING" | "ERROR";
  timestamp: string;
  readAt: string | null;
}
/**
 * `GET /notifications`; `unread` leaves out those marked as read.
 */
export interface NotificationQuery {
  cursor?: string | null;
  limit?: number;
  unread?: boolean;
}
/**
 * `data` of `chat:reports`: the number of messages of a room that wait for a review.
 *
 * `hidden`: how many of these are hidden until then. `reports`: how many reports there are of them.
 */
export interface OpenReports {
  liveId: string;
  open: number;
  hidden: number;
  reports: number;
}
/**
 * An order; `total` is the price of its items when it was placed. Hosts get the items of their own streams alone.
 *
 * `username`, the buyer's name, is in lists for staff.
 */
export interface Order {
  id: string;
  userId: string;
  username?: string;
  status: "PENDING" | "PAID" | "CANCELLED" | "EXPIRED";
  items: OrderItem[];
  total: number;
  createdAt: string;
  expiresAt: string | null;
  paidAt: string | null;
  cancelledAt: string | null;
}
/**
 * One product of an order as it was at that time; `product_id` is null once the product is deleted.
 */
export interface OrderItem {
  productId: string | null;
  streamKey: string;
  name: string;
  price: number;
  quantity: number;
}
/**
 * A quantity of one product. If `price`, the one that the buyer saw, has changed, the order fails.
 */
export interface OrderLine {
  productId: string;
  quantity: number;
  price?: (number | string) | null;
}
/**
 * A page of orders; `next_cursor` is None at the end.
 */
export interface OrderPage {
  items: Order[];
  nextCursor: string | null;
}
/**
 * `GET /orders`, filtered by status, time (`from` inclusive, `to` exclusive), stream and user.
 *
 * Administrators get all orders, others their own. With `streamKey`, or `scope=sold`, a host gets the orders of their
 * own streams. `format=jsonl` answers all orders as lines of JSON.
 */
export interface OrderQuery {
  cursor?: string | null;
  limit?: number;
  userId?: string | null;
  status?: ("PENDING" | "PAID" | "CANCELLED" | "EXPIRED") | null;
  streamKey?: string | null;
  scope?: ("own" | "sold") | null;
  from?: string | null;
  to?: string | null;
  format?: "json" | "jsonl";
}
/**
 * The ack of `join:orders`; `events` are those after `since`, if all of them are still stored.
 */
export interface OrdersJoined {
  room: string;
  cursor: Cursor;
  recovered: boolean;
  events?: Missed[];
}
/**
 * The part of a list to return: `cursor` is the `nextCursor` of the previous page.
 */
export interface Page {
  cursor?: string | null;
  limit?: number;
}
/**
 * Numbers of messages, orders and sanctions of a person; hosts get those of their own streams.
 */
export interface PersonCounts {
  messages: number;
  deletedMessages: number;
  orders: number;
  mutes: number;
  bans: number;
}
/**
 * `GET /people/{id}`: a user or a guest. `email` and `suspendedReason` are for administrators, else null.
 *
 * `connections` and `online` are of all nodes that answered within a second. `sanctions` are the newest 20.
 */
export interface PersonView {
  id: string;
  username: string;
  guest: boolean;
  role: string;
  status: string;
  email: string | null;
  suspendedReason: string | null;
  createdAt: string;
  connections: number;
  online: Whereabouts[];
  counts: PersonCounts;
  sanctions: SanctionView[];
}
/**
 * A stream in which somebody is now: in its chat, watching it, or following its products.
 */
export interface Whereabouts {
  streamKey: string;
  chat: boolean;
  watching: boolean;
  products: boolean;
}
/**
 * A mute or a ban.
 *
 * `live_id` is null for one everywhere. `until` is in the year 9999 for one without an end. `active`: whether it is in
 * force now. `lifted_at` is null unless somebody lifted it.
 */
export interface SanctionView {
  id: string;
  kind: "MUTE" | "BAN";
  liveId: string | null;
  userId: string;
  username: string | null;
  reason: string | null;
  imposedBy: string;
  imposedByName: string;
  createdAt: string;
  until: string;
  active: boolean;
  liftedAt: string | null;
  liftedBy: string | null;
  liftedByName: string | null;
}
/**
 * The ack of `chat:pin-message`.
 */
export interface PinAck {
  messageId: string;
  until: string | null;
}
/**
 * `chat:pin-message`: pin a message, without `seconds` for good. Pinning again changes the end.
 */
export interface PinMessage {
  liveId: string;
  messageId: string;
  seconds?: number | null;
}
/**
 * `POST /orders`: all items or none. Each product may occur once.
 */
export interface PlaceOrder {
  /**
   * @minItems 1
   * @maxItems 20
   */
  items:
    | [OrderLine]
    | [OrderLine, OrderLine]
    | [OrderLine, OrderLine, OrderLine]
    | [OrderLine, OrderLine, OrderLine, OrderLine]
    | [OrderLine, OrderLine, OrderLine, OrderLine, OrderLine]
    | [OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine]
    | [OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine]
    | [OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine]
    | [OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine]
    | [OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine, OrderLine]
    | [
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine
      ]
    | [
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine
      ]
    | [
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine
      ]
    | [
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine
      ]
    | [
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine
      ]
    | [
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine
      ]
    | [
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine
      ]
    | [
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine
      ]
    | [
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine
      ]
    | [
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine,
        OrderLine
      ];
}
/**
 * `data` of `chat:user-joined` and `chat:user-left`.
 */
export interface Presence {
  userId: string;
  liveId: string;
  timestamp: string;
}
/**
 * `data` of `live:product:deleted`.
 */
export interface ProductDeleted {
  productId: string;
  version: number;
}
/**
 * A page of products; `next_cursor` is None at the end.
 */
export interface ProductPage {
  items: Product[];
  nextCursor: string | null;
}
/**
 * `GET /products`, filtered by stream, status, or text in the name or description.
 */
export interface ProductQuery {
  cursor?: string | null;
  limit?: number;
  streamKey?: string | null;
  status?: ("AVAILABLE" | "SOLD_OUT") | null;
  search?: string | null;
}
/**
 * A JSON Web Key Set (RFC 7517).
 */
export interface PublicKeys {
  keys: {
    [k: string]: unknown;
  }[];
}
/**
 * `order:purchase:notification`: a purchase, with a masked name of the buyer.
 */
export interface Purchase {
  streamKey: string;
  displayName: string;
  message: string;
}
/**
 * `GET /health/ready`. `info` has all components, `error` those that are not up.
 *
 * `degraded` is ready: Redis is away or full for all nodes, and requests that do without it are served.
 */
export interface Ready {
  status: "ok" | "degraded" | "error" | "draining";
  info: {
    [k: string]: Component;
  };
  error: {
    [k: string]: Component;
  };
  timestamp: string;
}
/**
 * `POST /auth/refresh` and `/auth/logout`: the token, for clients that send no cookie.
 */
export interface Refresh {
  refreshToken?: string | null;
}
/**
 * `data` of a `connect_error`.
 */
export interface Refusal {
  code: Code;
  retryable: false;
  until?: string;
}
/**
 * `POST /auth/register`.
 */
export interface Register {
  email: string;
  username: string;
  password: string;
}
/**
 * `chat:report`: report a message to the staff of the room. `note` adds to the reason.
 */
export interface Report {
  liveId: string;
  messageId: string;
  reason: "SPAM" | "ABUSE" | "SEXUAL" | "FRAUD" | "PRIVACY" | "OTHER";
  note?: string | null;
}
/**
 * The note of one report, without the name of the person.
 */
export interface ReportNote {
  reason: "SPAM" | "ABUSE" | "SEXUAL" | "FRAUD" | "PRIVACY" | "OTHER";
  note: string;
  timestamp: string;
}
/**
 * `GET /moderation/reports`, filtered by room, status, reason, author, or whether they are hidden.
 */
export interface ReportQuery {
  cursor?: string | null;
  limit?: number;
  liveId?: string | null;
  status?: ("OPEN" | "KEPT" | "DELETED") | null;
  reason?: ("SPAM" | "ABUSE" | "SEXUAL" | "FRAUD" | "PRIVACY" | "OTHER") | null;
  userId?: string | null;
  hidden?: boolean | null;
}
/**
 * The ack of `chat:report`. `duplicate`: the same person had reported the message before.
 */
export interface Reported {
  messageId: string;
  duplicate: boolean;
}
/**
 * A reported message with its last `notes`, and the messages shown around it, oldest first.
 */
export interface ReportedMessageDetail {
  messageId: string;
  liveId: string;
  seq: number;
  userId: string;
  username: string;
  role: "GUEST" | "USER" | "HOST" | "MODERATOR" | "ADMIN";
  message: string | null;
  timestamp: string;
  status: "OPEN" | "KEPT" | "DELETED";
  hidden: boolean;
  reports: number;
  reasons: {
    [k: string]: number;
  };
  firstReportedAt: string;
  lastReportedAt: string;
  reviewedBy: string | null;
  reviewedByName: string | null;
  reviewedAt: string | null;
  notes: ReportNote[];
  before: Message[];
  after: Message[];
}
/**
 * A page of reported messages, newest first by the first report; `open` counts all that wait for a review.
 */
export interface ReportedMessagePage {
  items: ReportedMessageView[];
  nextCursor: string | null;
  open: number;
}
/**
 * A reported message, without the names of the people who reported it.
 *
 * `message` is null for a deleted message, not for a hidden one. `hidden`: reports have hidden the message until a
 * review. `reports`: how many people reported it; `reasons`: how many gave which reason.
 */
export interface ReportedMessageView {
  messageId: string;
  liveId: string;
  seq: number;
  userId: string;
  username: string;
  role: "GUEST" | "USER" | "HOST" | "MODERATOR" | "ADMIN";
  message: string | null;
  timestamp: string;
  status: "OPEN" | "KEPT" | "DELETED";
  hidden: boolean;
  reports: number;
  reasons: {
    [k: string]: number;
  };
  firstReportedAt: string;
  lastReportedAt: string;
  reviewedBy: string | null;
  reviewedByName: string | null;
  reviewedAt: string | null;
}
/**
 * `data` of `chat:restored`: messages with `from_seq` <= `seq` <= `to_seq` were restored.
 *
 * `messages` are the restored ones, oldest first; None if they are more than 100: then read `chat:history`.
 */
export interface Restored {
  liveId: string;
  clearId: string;
  fromSeq: number;
  toSeq: number;
  restored: number;
  messages: Message[] | null;
  timestamp: string;
}
/**
 * `POST /moderation/reports/{id}/review`: keep a message, which shows it again if it is hidden, or delete it.
 */
export interface ReviewReports {
  decision: "KEEP" | "DELETE";
  reason?: string | null;
}
/**
 * `data` of `chat:room-state`, in rooms too large for `chat:user-joined` and `chat:user-left`.
 */
export interface RoomState {
  liveId: string;
  members: number;
}
/**
 * `POST /moderation/words/test`: a text to check with the words of a room, or without `live_id` of all rooms.
 */
export interface SampleText {
  text: string;
  liveId?: string | null;
}
/**
 * `data` of `chat:sampled`: of the `total` messages from `from_seq` to `to_seq` everybody got only `shown`.
 *
 * The others were not sent to everybody, because the room has more than people can read. They are stored, too.
 */
export interface Sampled {
  liveId: string;
  fromSeq: number;
  toSeq: number;
  shown: number;
  total: number;
}
/**
 * A page of sanctions, newest first; `next_cursor` is null at the end.
 */
export interface SanctionPage {
  items: SanctionView[];
  nextCursor: string | null;
}
/**
 * `GET /moderation/sanctions`, filtered by user, room, kind, or whether they are in force.
 */
export interface SanctionQuery {
  cursor?: string | null;
  limit?: number;
  userId?: string | null;
  liveId?: string | null;
  kind?: ("MUTE" | "BAN") | null;
  active?: boolean | null;
}
/**
 * The ack of imposing and lifting mutes and bans. `until` and `sanction_id` are null if no sanction is in force.
 */
export interface Sanctioned {
  liveId: string | null;
  userId: string;
  until: string | null;
  sanctionId: string | null;
}
/**
 * `stream:heart`: clients add up hearts, and send the sum at most once a second.
 */
export interface SendHearts {
  streamKey: string;
  count?: number;
}
/**
 * `chat:send-message`.
 */
export interface SendMessage {
  liveId: string;
  message: string;
  clientMessageId?: string | null;
}
/**
 * `POST /notifications`: to `userId` or to `userIds`; exactly one of the two.
 */
export interface SendNotification {
  userId?: string | null;
  userIds?: [string, ...string[]] | null;
  title: string;
  message: string;
  level?: "INFO" | "SUCCESS" | "WARNING" | "ERROR";
}
/**
 * The ack of `chat:send-message`: the message is committed. `duplicate`: it had been stored before.
 *
 * `message` is the stored text, without control characters and with listed words masked.
 */
export interface Sent {
  id: string;
  seq: number;
  message: string;
  clientMessageId: string | null;
  timestamp: string;
  duplicate: boolean;
}
/**
 * A notification that an administrator sent, with the numbers of recipients and of copies delivered and read.
 */
export interface SentBatch {
  id: string;
  title: string;
  message: string;
  level: "INFO" | "SUCCESS" | "WARNING" | "ERROR";
  sentBy: string | null;
  sentByName: string | null;
  recipients: number;
  delivered: number;
  read: number;
  timestamp: string;
}
/**
 * A page of sent notifications, newest first; `next_cursor` is null at the end.
 */
export interface SentBatchPage {
  items: SentBatch[];
  nextCursor: string | null;
}
/**
 * The copy of one recipient.
 */
export interface SentNotification {
  id: string;
  userId: string;
}
/**
 * The answer to `POST /notifications`; `id` identifies the whole batch.
 */
export interface SentNotifications {
  id: string;
  items: SentNotification[];
}
/**
 * The answer to login and refresh: both tokens, for clients without cookies, and the user.
 */
export interface Session {
  accessToken: string;
  refreshToken: string;
  tokenType: string;
  expiresIn: number;
  csrfToken?: string;
  user: UserView;
}
/**
 * `GET /auth/sessions`, last used first.
 */
export interface SessionList {
  items: SessionView[];
}
/**
 * A session of the caller; `current` is the one of this request.
 */
export interface SessionView {
  id: string;
  device: string;
  createdAt: string;
  lastUsedAt: string;
  current: boolean;
}
/**
 * `data` of `chat:settings`, and the ack of the events that change settings.
 */
export interface SettingsChanged {
  slowModeSeconds: number;
  frozen: boolean;
  guestsAllowed: boolean;
  liveId: string;
}
/**
 * `GET /config`: the public configuration of the shop.
 */
export interface ShopConfig {
  version: string;
  protocol: string;
  currency: string;
  locale: string;
  analytics: boolean;
  imageOrigins: string[];
}
/**
 * `chat:slow-mode`: the least time between two messages of a sender; 0 turns it off.
 */
export interface SlowMode {
  liveId: string;
  seconds: number;
}
/**
 * `data` of `live:product:soldout`.
 */
export interface SoldOut {
  productId: string;
  version: number;
}
/**
 * The fields that every logged event has beside those of its payload: room, place and time of the commit.
 */
export interface Stamp {
  room: string;
  seq: number;
  epoch: string;
  at: string;
}
/**
 * `POST /products/{id}/deal`: another price until a future time. Replaces a running deal.
 */
export interface StartDeal {
  /**
   * at most two decimals; a number, or a decimal string
   */
  price: number | string;
  until: string;
  expectedVersion?: number | null;
}
/**
 * A message. `message` is null for a deleted one; the fields of the deletion are null for others.
 */
export interface StoredMessage {
  id: string;
  seq: number;
  liveId: string;
  userId: string;
  username: string;
  role: string;
  message: string | null;
  clientMessageId: string | null;
  timestamp: string;
  deletedAt: string | null;
  deletedBy: string | null;
  reason: string | null;
}
/**
 * A page of the messages of a stream, newest first.
 */
export interface StoredMessagePage {
  items: StoredMessage[];
  nextCursor: string | null;
}
/**
 * `stream:ended`.
 */
export interface StreamEnded {
  streamKey: string;
  timestamp: string;
}
/**
 * The ack of `join:stream`.
 */
export interface StreamJoined {
  room: string;
  products: Product[];
  featured: Product | null;
  cursor: Cursor;
  recovered: boolean;
  events?: Missed[];
}
/**
 * The ack of `leave:stream`.
 */
export interface StreamLeft {
  room: string;
}
/**
 * A page of `GET /streams/active` or `/streams/upcoming`; `next_cursor` is None at the end.
 */
export interface StreamList {
  streams: StreamView[];
  nextCursor: string | null;
}
/**
 * A stream.
 */
export interface StreamView {
  key: string;
  title: string;
  description: string;
  hostId: string;
  status: "SCHEDULED" | "LIVE" | "ENDED" | "CANCELLED";
  scheduledAt: string | null;
  startedAt: string | null;
  endedAt: string | null;
  closesAt: string | null;
  ordersWhenNotLive: boolean;
  peakViewers: number;
  totalViewers: number;
  createdAt: string;
}
/**
 * `GET /streams/active` and `/streams/upcoming`.
 */
export interface StreamListQuery {
  cursor?: string | null;
  limit?: number;
}
/**
 * A page of streams; `next_cursor` is None at the end.
 */
export interface StreamPage {
  items: StreamView[];
  nextCursor: string | null;
}
/**
 * `user:joined` and `user:left`.
 */
export interface StreamPresence {
  userId: string;
  streamId: string;
  timestamp: string;
}
/**
 * `GET /streams`, filtered by status, host, or text in the title.
 */
export interface StreamQuery {
  cursor?: string | null;
  limit?: number;
  status?: ("SCHEDULED" | "LIVE" | "ENDED" | "CANCELLED") | null;
  hostId?: string | null;
  search?: string | null;
}
/**
 * `stream:started`; `resumed`: the stream had ended and continues.
 */
export interface StreamStarted {
  streamKey: string;
  resumed?: boolean;
  timestamp: string;
}
/**
 * `stream:stats` and `GET /streams/{key}/stats`. Rates are of the last minute.
 *
 * `orders` and `revenue` count what was ordered since the stream began and is neither cancelled nor expired, paid or
 * not.
 */
export interface StreamStats {
  streamKey: string;
  viewers: number;
  messagesPerMinute: number;
  ordersPerMinute: number;
  orders: number;
  revenue: number;
  at: string;
}
/**
 * A further field of the data of an event of a stream's room: ms since the stream first went live.
 *
 * It is left out for events before that.
 */
export interface StreamTime {
  streamTime?: number;
}
/**
 * `POST /users/{id}/suspend`; the reason goes into the audit log.
 */
export interface Suspend {
  reason?: string | null;
}
/**
 * The ack of `chat:undo-clear`: how many messages were restored, and how many no longer exist (`lost`).
 *
 * `remaining`: how many were too many for one request; repeating the request continues.
 */
export interface UndoAck {
  restored: number;
  remaining: number;
  lost: number;
}
/**
 * `chat:undo-clear`.
 */
export interface UndoClear {
  liveId: string;
  clearId: string;
}
/**
 * The ack of `chat:unpin-message`.
 */
export interface UnpinAck {
  messageId: string;
  alreadyUnpinned: boolean;
}
/**
 * `chat:unpin-message`.
 */
export interface UnpinMessage {
  liveId: string;
  messageId: string;
}
/**
 * `data` of `chat:unpinned`.
 */
export interface Unpinned {
  liveId: string;
  messageId: string;
  cause: Cause;
  timestamp: string;
}
/**
 * The number of unread notifications, at most 1,000.
 */
export interface Unread {
  unread: number;
}
/**
 * `upcoming:updated`: the first streams of `GET /streams/upcoming`.
 */
export interface UpcomingStreams {
  streams: StreamView[];
}
/**
 * `POST /auth/password`: set a password with the token of a link.
 */
export interface UsePasswordLink {
  token: string;
  newPassword: string;
}
/**
 * A page of accounts; `next_cursor` is None at the end.
 */
export interface UserPage {
  items: UserView[];
  nextCursor: string | null;
}
/**
 * `GET /users`, filtered by role, status, or text in the name or e-mail address.
 */
export interface UserQuery {
  cursor?: string | null;
  limit?: number;
  role?: ("USER" | "HOST" | "MODERATOR" | "ADMIN") | null;
  status?: ("ACTIVE" | "SUSPENDED") | null;
  search?: string | null;
}
/**
 * `stream:viewer:join`.
 */
export interface ViewerJoin {
  streamKey: string;
  since?: Since | null;
}
/**
 * The ack of `stream:viewer:join`; counts are of distinct people over all nodes.
 */
export interface ViewerJoined {
  streamKey: string;
  viewerCount: number;
  peakViewers: number;
  totalViewers: number;
  live: boolean;
  cursor: Cursor;
  recovered: boolean;
  events?: Missed[];
}
/**
 * `stream:viewer:leave`.
 */
export interface ViewerLeave {
  streamKey: string;
}
/**
 * The ack of `stream:viewer:leave`.
 */
export interface ViewerLeft {
  streamKey: string;
  viewerCount: number;
}
/**
 * `data` of `stream:viewer:update`.
 */
export interface ViewerUpdate {
  streamKey: string;
  viewerCount: number;
  timestamp: string;
}
/**
 * A page of listed words, newest first.
 */
export interface WordPage {
  items: WordView[];
  nextCursor: string | null;
}
/**
 * A listed word, in the folded form that is compared with messages.
 */
export interface WordView {
  id: string;
  word: string;
  action: string;
  liveId: string | null;
  createdBy: string;
  createdAt: string;
}
/**
 * `GET /moderation/words`, filtered by room, action, or text in the word.
 */
export interface WordQuery {
  cursor?: string | null;
  limit?: number;
  liveId?: string | null;
  action?: ("ALLOW" | "MASK" | "BLOCK") | null;
  search?: string | null;
}
/**
 * `data` of `chat:you`: the rights of the socket's user in a room from now on.
 */
export interface YourRights {
  canSend: boolean;
  mutedUntil: string | null;
  moderator: boolean;
  powers: Power[];
  liveId: string;
}

/** The codes of all errors, over sockets and HTTP. */
export type ErrorCode = "INVALID_PAYLOAD" | "INVALID_MESSAGE" | "MESSAGE_TOO_LONG" | "AUTH_REQUIRED" | "TOKEN_EXPIRED" | "TOKEN_REVOKED" | "FORBIDDEN" | "CSRF_TOKEN_MISSING" | "CSRF_TOKEN_INVALID" | "MUTED" | "BANNED" | "NOT_FOUND" | "UNKNOWN_EVENT" | "NOT_IN_ROOM" | "CONFLICT" | "INSUFFICIENT_STOCK" | "PRICE_CHANGED" | "ROOM_FROZEN" | "PAYLOAD_TOO_LARGE" | "RATE_LIMIT_EXCEEDED" | "SLOW_MODE" | "INTERNAL_ERROR" | "SERVICE_UNAVAILABLE";

/** What every request is answered with. */
export type Answer<T> = { ok: true; data: T; ts: number } | Failure;

/** The envelope of most events. */
export type Typed<N extends string, T> = { type: N; data: T };

/** What the gateway sends on `/`. */
export interface RootServerToClientEvents {
  /** `auth:refresh` succeeded without an ack. To this socket. */
  "auth:refresh:success": (payload: Typed<"auth:refresh:success", AuthRefreshed>) => void;
  /** `join:stream` succeeded without an ack. To this socket. */
  "join:stream:success": (payload: Typed<"join:stream:success", StreamJoined>) => void;
  /** `leave:stream` succeeded without an ack. To this socket. */
  "leave:stream:success": (payload: Typed<"leave:stream:success", StreamLeft>) => void;
  /** `join:orders` succeeded without an ack. To this socket. */
  "join:orders:success": (payload: Typed<"join:orders:success", OrdersJoined>) => void;
  /** A request without an ack failed. To this socket. */
  "error": (payload: ErrorEvent) => void;
  /** The socket expires within a minute. To this socket. */
  "auth:expiring": (payload: Expiring) => void;
  /** The socket has expired; its connection closes. To this socket. */
  "auth:expired": (payload: Farewell) => void;
  /** The token was revoked; the socket ends. To this socket. */
  "auth:revoked": (payload: Farewell) => void;
  /** The node stops. To this socket. */
  "server:shutdown": (payload: Farewell) => void;
  /** The user was banned; the sockets end. To all sockets of one user. */
  "chat:banned": (payload: Banned) => void;
  /** The socket is connected. To this socket. */
  "connected": (payload: Connected) => void;
  /** Somebody joined a small room. To the room. */
  "user:joined": (payload: StreamPresence & StreamTime) => void;
  /** Somebody left a small room. To the room. */
  "user:left": (payload: StreamPresence & StreamTime) => void;
  /** The list of scheduled streams changed. To everybody on this namespace. */
  "upcoming:updated": (payload: UpcomingStreams) => void;
  /** A product was added. To the room. */
  "live:product:added": (payload: Typed<"live:product:added", Product & StreamTime> & Stamp, offset?: string) => void;
  /** A product changed. To the room. */
  "live:product:updated": (payload: Typed<"live:product:updated", Product & StreamTime> & Stamp, offset?: string) => void;
  /** A product sold out. To the room. */
  "live:product:soldout": (payload: Typed<"live:product:soldout", SoldOut & StreamTime> & Stamp, offset?: string) => void;
  /** A product was deleted. To the room. */
  "live:product:deleted": (payload: Typed<"live:product:deleted", ProductDeleted & StreamTime> & Stamp, offset?: string) => void;
  /** A product is low in stock. To the room. */
  "product:low-stock": (payload: Typed<"product:low-stock", LowStock & StreamTime> & Stamp, offset?: string) => void;
  /** The featured product changed. To the room. */
  "stream:featured-product:updated": (payload: FeaturedProduct & StreamTime & Stamp, offset?: string) => void;
  /** Somebody placed an order. To the room. */
  "order:purchase:notification": (payload: Purchase & StreamTime & Stamp, offset?: string) => void;
  /** The user got a notification. To all sockets of one user. */
  "notification:new": (payload: Typed<"notification:new", Notification>) => void;
  /** A job of the user progressed. To all sockets of one user. */
  "job:update": (payload: Typed<"job:update", JobUpdate>) => void;
  /** An order was placed. To all administrators, and the hosts of the streams. */
  "order:new": (payload: Typed<"order:new", Order> & Stamp, offset?: string) => void;
  /** An order was paid. To all administrators, and the hosts of the streams. */
  "order:paid": (payload: Typed<"order:paid", Order> & Stamp, offset?: string) => void;
  /** An order was cancelled. To all administrators, and the hosts of the streams. */
  "order:cancelled": (payload: Typed<"order:cancelled", Order> & Stamp, offset?: string) => void;
  /** An order was not paid in time. To all sockets of the buyer, all administrators, and the hosts of the streams. */
  "order:expired": (payload: Typed<"order:expired", Order> & Partial<Stamp>, offset?: string) => void;
}

/** What clients send on `/`. */
export interface RootClientToServerEvents {
  /** A new access token of the same user, for an open socket. */
  "auth:refresh": (request: AuthRefresh, ack: (answer: Answer<AuthRefreshed>) => void) => void;
  /** Join the product room of a stream, and return its products. */
  "join:stream": (request: JoinStream, ack: (answer: Answer<StreamJoined>) => void) => void;
  /** Leave the product room of a stream. */
  "leave:stream": (request: LeaveStream, ack: (answer: Answer<StreamLeft>) => void) => void;
  /** Return the ack of `join:orders`. Administrators receive order events from their connect on. */
  "join:orders": (request: JoinOrders, ack: (answer: Answer<OrdersJoined>) => void) => void;
}

/** What requests on `/` may be refused with. */
export interface RootErrors {
  /** A new access token of the same user, for an open socket. */
  "auth:refresh": "AUTH_REQUIRED" | "BANNED" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE" | "TOKEN_EXPIRED" | "TOKEN_REVOKED";
  /** Join the product room of a stream, and return its products. */
  "join:stream": "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Leave the product room of a stream. */
  "leave:stream": "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Return the ack of `join:orders`. Administrators receive order events from their connect on. */
  "join:orders": "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
}

/** What the gateway sends on `/chat`. */
export interface ChatServerToClientEvents {
  /** `auth:refresh` succeeded without an ack. To this socket. */
  "auth:refresh:success": (payload: Typed<"auth:refresh:success", AuthRefreshed>) => void;
  /** `chat:mute-user` succeeded without an ack. To this socket. */
  "chat:mute-user:success": (payload: Typed<"chat:mute-user:success", Sanctioned>) => void;
  /** `chat:unmute-user` succeeded without an ack. To this socket. */
  "chat:unmute-user:success": (payload: Typed<"chat:unmute-user:success", Sanctioned>) => void;
  /** `chat:ban-user` succeeded without an ack. To this socket. */
  "chat:ban-user:success": (payload: Typed<"chat:ban-user:success", BanAck>) => void;
  /** `chat:unban-user` succeeded without an ack. To this socket. */
  "chat:unban-user:success": (payload: Typed<"chat:unban-user:success", Sanctioned>) => void;
  /** `chat:slow-mode` succeeded without an ack. To this socket. */
  "chat:slow-mode:success": (payload: Typed<"chat:slow-mode:success", SettingsChanged>) => void;
  /** `chat:freeze` succeeded without an ack. To this socket. */
  "chat:freeze:success": (payload: Typed<"chat:freeze:success", SettingsChanged>) => void;
  /** `chat:allow-guests` succeeded without an ack. To this socket. */
  "chat:allow-guests:success": (payload: Typed<"chat:allow-guests:success", SettingsChanged>) => void;
  /** `chat:announce` succeeded without an ack. To this socket. */
  "chat:announce:success": (payload: Typed<"chat:announce:success", Announced>) => void;
  /** `chat:delete-message` succeeded without an ack. To this socket. */
  "chat:delete-message:success": (payload: Typed<"chat:delete-message:success", Deleted>) => void;
  /** `chat:clear` succeeded without an ack. To this socket. */
  "chat:clear:success": (payload: Typed<"chat:clear:success", ClearAck>) => void;
  /** `chat:undo-clear` succeeded without an ack. To this socket. */
  "chat:undo-clear:success": (payload: Typed<"chat:undo-clear:success", UndoAck>) => void;
  /** `chat:pin-message` succeeded without an ack. To this socket. */
  "chat:pin-message:success": (payload: Typed<"chat:pin-message:success", PinAck>) => void;
  /** `chat:unpin-message` succeeded without an ack. To this socket. */
  "chat:unpin-message:success": (payload: Typed<"chat:unpin-message:success", UnpinAck>) => void;
  /** `chat:join-room` succeeded without an ack. To this socket. */
  "chat:join-room:success": (payload: Typed<"chat:join-room:success", Joined>) => void;
  /** `chat:leave-room` succeeded without an ack. To this socket. */
  "chat:leave-room:success": (payload: Typed<"chat:leave-room:success", Left>) => void;
  /** `chat:send-message` succeeded without an ack. To this socket. */
  "chat:send-message:success": (payload: Typed<"chat:send-message:success", Sent>) => void;
  /** `chat:report` succeeded without an ack. To this socket. */
  "chat:report:success": (payload: Typed<"chat:report:success", Reported>) => void;
  /** `chat:history` succeeded without an ack. To this socket. */
  "chat:history:success": (payload: Typed<"chat:history:success", HistoryPage>) => void;
  /** A request without an ack failed. To this socket. */
  "error": (payload: ErrorEvent) => void;
  /** The socket expires within a minute. To this socket. */
  "auth:expiring": (payload: Expiring) => void;
  /** The socket has expired; its connection closes. To this socket. */
  "auth:expired": (payload: Farewell) => void;
  /** The token was revoked; the socket ends. To this socket. */
  "auth:revoked": (payload: Farewell) => void;
  /** The node stops. To this socket. */
  "server:shutdown": (payload: Farewell) => void;
  /** The user was banned; the sockets end. To all sockets of one user. */
  "chat:banned": (payload: Banned) => void;
  /** The socket is connected. To this socket. */
  "connection:success": (payload: Typed<"connection:success", ConnectionSuccess>) => void;
  /** The socket joined without an ack. To this socket. */
  "chat:history": (payload: Typed<"chat:history", HistoryEvent>) => void;
  /** Somebody sent a message. To the room. */
  "chat:message": (payload: Typed<"chat:message", Message & StreamTime> & Stamp, offset?: string) => void;
  /** A message was deleted. To the room. */
  "chat:message-deleted": (payload: Typed<"chat:message-deleted", MessageDeleted & StreamTime> & Stamp, offset?: string) => void;
  /** A message was pinned. To the room. */
  "chat:pinned": (payload: Typed<"chat:pinned", PinnedMessage & StreamTime> & Stamp, offset?: string) => void;
  /** A pin ended. To the room. */
  "chat:unpinned": (payload: Typed<"chat:unpinned", Unpinned & StreamTime> & Stamp, offset?: string) => void;
  /** Messages were cleared. To the room. */
  "chat:cleared": (payload: Typed<"chat:cleared", Cleared & StreamTime> & Stamp, offset?: string) => void;
  /** Cleared messages were restored. To the room. */
  "chat:restored": (payload: Typed<"chat:restored", Restored & StreamTime> & Stamp, offset?: string) => void;
  /** Somebody joined a small room. To the room. */
  "chat:user-joined": (payload: Typed<"chat:user-joined", Presence & StreamTime>) => void;
  /** Somebody left a small room. To the room. */
  "chat:user-left": (payload: Typed<"chat:user-left", Presence & StreamTime>) => void;
  /** People joined or left a large room. To the room. */
  "chat:room-state": (payload: Typed<"chat:room-state", RoomState & StreamTime>) => void;
  /** Not all messages were shown. To the room. */
  "chat:sampled": (payload: Typed<"chat:sampled", Sampled & StreamTime>) => void;
  /** A room setting changed. To the room. */
  "chat:settings": (payload: Typed<"chat:settings", SettingsChanged & StreamTime> & Stamp, offset?: string) => void;
  /** A moderator made an announcement. To the room. */
  "chat:announcement": (payload: Typed<"chat:announcement", Announcement & StreamTime> & Stamp, offset?: string) => void;
  /** The user's rights in a room changed. To this socket. */
  "chat:you": (payload: Typed<"chat:you", YourRights>) => void;
  /** The user was muted or unmuted. To all sockets of one user. */
  "chat:muted": (payload: Muted) => void;
  /** A mute was lifted. To the administrators, moderators and the host in the room, and for `chat:unmuted` the person. */
  "chat:unmuted": (payload: Lifted) => void;
  /** A ban was lifted. To the administrators, moderators and the host in the room, and for `chat:unmuted` the person. */
  "chat:unbanned": (payload: Lifted) => void;
  /** Messages were reported or reviewed. To the administrators, moderators and the host in the room, and for `chat:unmuted` the person. */
  "chat:reports": (payload: Typed<"chat:reports", OpenReports>) => void;
  /** Every 5 s. To the administrators, moderators and the host in the room, and for `chat:unmuted` the person. */
  "stream:stats": (payload: Typed<"stream:stats", StreamStats>) => void;
}

/** What clients send on `/chat`. */
export interface ChatClientToServerEvents {
  /** A new access token of the same user, for an open socket. */
  "auth:refresh": (request: AuthRefresh, ack: (answer: Answer<AuthRefreshed>) => void) => void;
  /** Mute a user or guest in a room: they can read and not write. */
  "chat:mute-user": (request: MuteUser, ack: (answer: Answer<Sanctioned>) => void) => void;
  /** Lift a mute; do nothing without one. */
  "chat:unmute-user": (request: MuteUser, ack: (answer: Answer<Sanctioned>) => void) => void;
  /** Ban a user or guest from a room, or everywhere; `deleted` is the number of deleted messages. */
  "chat:ban-user": (request: BanUser, ack: (answer: Answer<BanAck>) => void) => void;
  /** Lift a ban; do nothing without one. A ban everywhere and a ban from a room are two bans. */
  "chat:unban-user": (request: BanUser, ack: (answer: Answer<Sanctioned>) => void) => void;
  /** Set the seconds between two messages of one sender; 0 turns slow mode off. */
  "chat:slow-mode": (request: SlowMode, ack: (answer: Answer<SettingsChanged>) => void) => void;
  /** Freeze a room, so that only moderators may send messages, or unfreeze it. */
  "chat:freeze": (request: Freeze, ack: (answer: Answer<SettingsChanged>) => void) => void;
  /** Allow guests to send messages, or forbid it. */
  "chat:allow-guests": (request: AllowGuests, ack: (answer: Answer<SettingsChanged>) => void) => void;
  /** Announce something to a room. Raises Forbidden, BANNED, MUTED, NotFound, Unavailable. */
  "chat:announce": (request: Announce, ack: (answer: Answer<Announced>) => void) => void;
  /** Delete the text of a message for good, wherever it can be read, then publish the deletion. */
  "chat:delete-message": (request: DeleteMessage, ack: (answer: Answer<Deleted>) => void) => void;
  /** Delete messages, or with `dry_run` count them. */
  "chat:clear": (request: Clear, ack: (answer: Answer<ClearAck>) => void) => void;
  /** Restore the messages of a clear whose texts are still stored. A second undo restores nothing. */
  "chat:undo-clear": (request: UndoClear, ack: (answer: Answer<UndoAck>) => void) => void;
  /** Pin a message, for some seconds or for good. Raises Conflict if it was deleted. */
  "chat:pin-message": (request: PinMessage, ack: (answer: Answer<PinAck>) => void) => void;
  /** Unpin a message; do nothing if it is not pinned. Raises NotFound for an unknown id. */
  "chat:unpin-message": (request: UnpinMessage, ack: (answer: Answer<UnpinAck>) => void) => void;
  /** Join a room, and return its snapshot. */
  "chat:join-room": (request: JoinRoom, ack: (answer: Answer<Joined>) => void) => void;
  /** Leave a room. */
  "chat:leave-room": (request: LeaveRoom, ack: (answer: Answer<Left>) => void) => void;
  /** Store a message, then publish it to the room; the answer means that it is committed. */
  "chat:send-message": (request: SendMessage, ack: (answer: Answer<Sent>) => void) => void;
  /** Store a report of a message for the staff of the room. A second report by the same person has no effect. */
  "chat:report": (request: Report, ack: (answer: Answer<Reported>) => void) => void;
  /** Return a page of older messages, oldest first. Raises NotFound if `before` is no message of this room. */
  "chat:history": (request: History, ack: (answer: Answer<HistoryPage>) => void) => void;
}

/** What requests on `/chat` may be refused with. */
export interface ChatErrors {
  /** A new access token of the same user, for an open socket. */
  "auth:refresh": "AUTH_REQUIRED" | "BANNED" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE" | "TOKEN_EXPIRED" | "TOKEN_REVOKED";
  /** Mute a user or guest in a room: they can read and not write. */
  "chat:mute-user": "BANNED" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "MUTED" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Lift a mute; do nothing without one. */
  "chat:unmute-user": "BANNED" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "MUTED" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Ban a user or guest from a room, or everywhere; `deleted` is the number of deleted messages. */
  "chat:ban-user": "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Lift a ban; do nothing without one. A ban everywhere and a ban from a room are two bans. */
  "chat:unban-user": "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Set the seconds between two messages of one sender; 0 turns slow mode off. */
  "chat:slow-mode": "BANNED" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "MUTED" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Freeze a room, so that only moderators may send messages, or unfreeze it. */
  "chat:freeze": "BANNED" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "MUTED" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Allow guests to send messages, or forbid it. */
  "chat:allow-guests": "BANNED" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "MUTED" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Announce something to a room. Raises Forbidden, BANNED, MUTED, NotFound, Unavailable. */
  "chat:announce": "BANNED" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_MESSAGE" | "INVALID_PAYLOAD" | "MESSAGE_TOO_LONG" | "MUTED" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Delete the text of a message for good, wherever it can be read, then publish the deletion. */
  "chat:delete-message": "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Delete messages, or with `dry_run` count them. */
  "chat:clear": "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Restore the messages of a clear whose texts are still stored. A second undo restores nothing. */
  "chat:undo-clear": "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Pin a message, for some seconds or for good. Raises Conflict if it was deleted. */
  "chat:pin-message": "BANNED" | "CONFLICT" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "MUTED" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Unpin a message; do nothing if it is not pinned. Raises NotFound for an unknown id. */
  "chat:unpin-message": "BANNED" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "MUTED" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Join a room, and return its snapshot. */
  "chat:join-room": "BANNED" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Leave a room. */
  "chat:leave-room": "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Store a message, then publish it to the room; the answer means that it is committed. */
  "chat:send-message": "BANNED" | "CONFLICT" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_MESSAGE" | "INVALID_PAYLOAD" | "MESSAGE_TOO_LONG" | "MUTED" | "NOT_FOUND" | "NOT_IN_ROOM" | "RATE_LIMIT_EXCEEDED" | "ROOM_FROZEN" | "SERVICE_UNAVAILABLE" | "SLOW_MODE";
  /** Store a report of a message for the staff of the room. A second report by the same person has no effect. */
  "chat:report": "BANNED" | "CONFLICT" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "MUTED" | "NOT_FOUND" | "NOT_IN_ROOM" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Return a page of older messages, oldest first. Raises NotFound if `before` is no message of this room. */
  "chat:history": "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_FOUND" | "NOT_IN_ROOM" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
}

/** What the gateway sends on `/streaming`. */
export interface StreamingServerToClientEvents {
  /** `auth:refresh` succeeded without an ack. To this socket. */
  "auth:refresh:success": (payload: Typed<"auth:refresh:success", AuthRefreshed>) => void;
  /** `stream:viewer:join` succeeded without an ack. To this socket. */
  "stream:viewer:join:success": (payload: Typed<"stream:viewer:join:success", ViewerJoined>) => void;
  /** `stream:viewer:leave` succeeded without an ack. To this socket. */
  "stream:viewer:leave:success": (payload: Typed<"stream:viewer:leave:success", ViewerLeft>) => void;
  /** `stream:heart` succeeded without an ack. To this socket. */
  "stream:heart:success": (payload: Typed<"stream:heart:success", HeartsSent>) => void;
  /** A request without an ack failed. To this socket. */
  "error": (payload: ErrorEvent) => void;
  /** The socket expires within a minute. To this socket. */
  "auth:expiring": (payload: Expiring) => void;
  /** The socket has expired; its connection closes. To this socket. */
  "auth:expired": (payload: Farewell) => void;
  /** The token was revoked; the socket ends. To this socket. */
  "auth:revoked": (payload: Farewell) => void;
  /** The node stops. To this socket. */
  "server:shutdown": (payload: Farewell) => void;
  /** The user was banned; the sockets end. To all sockets of one user. */
  "chat:banned": (payload: Banned) => void;
  /** The socket is connected. To this socket. */
  "connection:success": (payload: Typed<"connection:success", ConnectionSuccess>) => void;
  /** The viewer count changed. To the room. */
  "stream:viewer:update": (payload: Typed<"stream:viewer:update", ViewerUpdate & StreamTime>) => void;
  /** Viewers sent hearts. To the room. */
  "stream:hearts": (payload: Typed<"stream:hearts", Hearts & StreamTime>) => void;
  /** The stream started or resumed. To the room. */
  "stream:started": (payload: StreamStarted & StreamTime & Stamp, offset?: string) => void;
  /** The stream ended. To the room. */
  "stream:ended": (payload: StreamEnded & StreamTime & Stamp, offset?: string) => void;
}

/** What clients send on `/streaming`. */
export interface StreamingClientToServerEvents {
  /** A new access token of the same user, for an open socket. */
  "auth:refresh": (request: AuthRefresh, ack: (answer: Answer<AuthRefreshed>) => void) => void;
  /** Join the viewers of a stream. */
  "stream:viewer:join": (request: ViewerJoin, ack: (answer: Answer<ViewerJoined>) => void) => void;
  /** Leave the viewers of a stream. */
  "stream:viewer:leave": (request: ViewerLeave, ack: (answer: Answer<ViewerLeft>) => void) => void;
  /** Send hearts to a stream. The sum is broadcast within a second; it is lost if the node stops. */
  "stream:heart": (request: SendHearts, ack: (answer: Answer<HeartsSent>) => void) => void;
}

/** What requests on `/streaming` may be refused with. */
export interface StreamingErrors {
  /** A new access token of the same user, for an open socket. */
  "auth:refresh": "AUTH_REQUIRED" | "BANNED" | "FORBIDDEN" | "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE" | "TOKEN_EXPIRED" | "TOKEN_REVOKED";
  /** Join the viewers of a stream. */
  "stream:viewer:join": "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_FOUND" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Leave the viewers of a stream. */
  "stream:viewer:leave": "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
  /** Send hearts to a stream. The sum is broadcast within a second; it is lost if the node stops. */
  "stream:heart": "INTERNAL_ERROR" | "INVALID_PAYLOAD" | "NOT_IN_ROOM" | "RATE_LIMIT_EXCEEDED" | "SERVICE_UNAVAILABLE";
}

/** The events of all namespaces. */
export interface Namespaces {
  "/": { hears: RootServerToClientEvents; sends: RootClientToServerEvents; errors: RootErrors };
  "/chat": { hears: ChatServerToClientEvents; sends: ChatClientToServerEvents; errors: ChatErrors };
  "/streaming": { hears: StreamingServerToClientEvents; sends: StreamingClientToServerEvents; errors: StreamingErrors };
}
