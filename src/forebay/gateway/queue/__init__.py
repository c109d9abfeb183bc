"""Who of those that wait is next: classes by weight, tenants alike, each in order of arrival. No sockets, no clock."""
