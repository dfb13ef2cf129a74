"""Accounts, sessions, bans, and notifications for single users. Built by the composition root."""

from gateway.concurrency.periodic import Periodic
from gateway.errors import Unavailable
from gateway.parts.realtime import RealtimePart
from gateway.parts.servers import ServersPart
from gateway.realtime.members.ban_enforcer import BanEnforcer
from gateway.realtime.members.events_to_users import EventsToUsers
from gateway.realtime.members.lifetimes import Lifetimes
from gateway.realtime.members.lifted_sanctions_to_staff import LiftedSanctionsToStaff
from gateway.realtime.members.profile_updater import ProfileUpdater
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.notices import ProfileChanged, Revoked
from gateway.security.limits.redis import RedisLimiter
from gateway.security.passwords import Passwords
from gateway.security.sessions.devices import DeviceBook, DeviceNames
from gateway.security.sessions.guest_sessions import GuestSessions
from gateway.security.sessions.guest_sessions_postgres import StoredGuestSessions
from gateway.security.sessions.guest_sessions_redis import GuestTokens
from gateway.security.sessions.refresh_tokens import RefreshTokens
from gateway.security.tokens.authenticator import Authenticator
from gateway.security.tokens.revocations import ROUND, Revocations
from gateway.security.tokens.stored_revocations import StoredRevocations
from gateway.security.tokens.tokens import Tokens
from gateway.services.accounts.accounts import Accounts
from gateway.services.accounts.attempts import Attempts
from gateway.services.accounts.directory import Directory
from gateway.services.accounts.guests import Guests
from gateway.services.accounts.identities import Identities
from gateway.services.accounts.name_rules import NameRules
from gateway.services.accounts.password_links import PasswordLinks
from gateway.services.accounts.sessions import Sessions
from gateway.services.moderation.banned_devices import BannedDevices
from gateway.services.moderation.bans import Bans
from gateway.services.moderation.word_lists import WordLists
from gateway.services.notifications.deliveries import Deliveries
from gateway.services.notifications.notifications import Notifications
from gateway.settings import SocketLifetime


class AccountsPart:
    """Authenticates and limits callers for both edges, and delivers to single users."""

    def __init__(self, servers: ServersPart, realtime: RealtimePart) -> None:
        settings, metrics, database, redis = servers.settings, servers.metrics, servers.database, servers.redis
        fanout, kick = realtime.fanout, realtime.server.kick
        self._passwords = Passwords()
        self.limiter = RedisLimiter(redis, metrics)
        self.tokens = Tokens(settings)
        self._revocations = Revocations(redis, settings.jwt_expiration, stored=StoredRevocations(database))
        self._verifying = Periodic("revocations", ROUND, self._revocations.verify, Unavailable)
        self._bans = Bans(database)
        self._identities = Identities(database)

        names = DeviceNames(settings)
        unused = settings.unused_guest
        book = DeviceBook(redis, names, settings.jwt_refresh_expiration, settings.guest_expiration, unused)
        self.devices = BannedDevices(database, names, book, matches_network=settings.ban_matches_network)
        audit_log = servers.audit_log
        self.words = WordLists(database, audit_log, metrics)

        refresh_tokens = RefreshTokens(redis, settings.jwt_refresh_expiration)
        sessions = Sessions(refresh_tokens, self._revocations, fanout)
        self.directory = Directory(database, sessions, audit_log)
        self.password_links = PasswordLinks(database, sessions, self._passwords, audit_log)
        self.accounts = Accounts(
            database,
            sessions,
            self.tokens,
            self._passwords,
            Attempts(self.limiter, book),
            NameRules(database, self.words, settings.reserved_names),
            self._bans,
            settings.jwt_expiration,
        )

        self._guest_sessions = GuestSessions(
            GuestTokens(redis, settings.guest_expiration, unused=unused),
            StoredGuestSessions(database, settings.guest_expiration, unused=unused),
            self._revocations,
        )
        self.guests = Guests(
            Sessions(self._guest_sessions, self._revocations, fanout),
            self.tokens,
            self.limiter,
            self._bans,
            self.devices,
            metrics,
            settings.jwt_expiration,
            settings.new_guests,
        )

        self.authenticator = Authenticator(
            self.tokens, self._revocations, self._identities, refresh_tokens, self._guest_sessions, self._bans
        )
        renew = None if settings.socket_lifetime is SocketLifetime.TOKEN else self.authenticator.renew
        lifetimes = Lifetimes(realtime.server, renew, settings.jwt_expiration)
        self.registry = SocketRegistry(realtime.server, lifetimes, self._revocations.revoked, lambda: fanout.losses)
        fanout.on_notice(Revoked, self._forget_identity)
        fanout.on_notice(ProfileChanged, self._forget_identity)
        realtime.rooms.looked_up_by(self.registry.of_user)
        ProfileUpdater(self.registry, fanout, realtime.server.renew, self.authenticator.identify)
        fanout.on_notice(Revoked, self.registry.revoked)
        BanEnforcer(self.registry, fanout, kick, self._bans.of)
        LiftedSanctionsToStaff(realtime.rooms, fanout)

        self.notifications = Notifications(database, fanout)
        self._deliveries = Deliveries(
            database,
            EventsToUsers(self.registry, fanout),
            fanout,
            lambda: fanout.losses,
            metrics,
        )

    async def _forget_identity(self, notice: Revoked | ProfileChanged) -> None:
        self.authenticator.forget(notice.user_id)

    def start(self) -> None:
        """Start the background tasks. Redis must be open."""
        self._guest_sessions.start()
        self._verifying.start()
        self.registry.start()
        self._deliveries.start()

    async def stop(self) -> None:
        """Stop the background tasks; callers can still be authenticated."""
        await self._deliveries.close()
        await self.registry.close()
        await self._guest_sessions.close()
        await self._verifying.close()

    async def close(self) -> None:
        """Stop authenticating, before Redis and the database close."""
        await self._identities.close()
        await self.limiter.close()
        await self._revocations.close()
        await self._bans.close()
        self._passwords.close()
