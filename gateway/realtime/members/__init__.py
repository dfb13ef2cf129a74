"""Services for the open sockets of users: who is here, who must leave, and who receives what."""
