#include "human.h"

#include <stdio.h>
#include <string.h>

void
human_duration(char out[48], int64_t ns)
{
	long long seconds = ns / 1000000000, minutes = seconds / 60, hours = (seconds + 1800) / 3600;

	if (seconds < 1)
		(void)snprintf(out, 48, "Less than a second");
	else if (seconds == 1)
		(void)snprintf(out, 48, "1 second");
	else if (seconds < 60)
		(void)snprintf(out, 48, "%lld seconds", seconds);
	else if (minutes == 1)
		(void)snprintf(out, 48, "About a minute");
	else if (minutes < 60)
		(void)snprintf(out, 48, "%lld minutes", minutes);
	else if (hours == 1)
		(void)snprintf(out, 48, "About an hour");
	else if (hours < 48)
		(void)snprintf(out, 48, "%lld hours", hours);
	else if (hours < 24 * 7 * 2)
		(void)snprintf(out, 48, "%lld days", hours / 24);
	else if (hours < 24 * 30 * 2)
		(void)snprintf(out, 48, "%lld weeks", hours / 24 / 7);
	else if (hours < 24 * 365 * 2)
		(void)snprintf(out, 48, "%lld months", hours / 24 / 30);
	else
		(void)snprintf(out, 48, "%lld years", seconds / 3600 / 24 / 365);
}

void
human_status(char out[160], const struct container_state *s, const char *health, int64_t now_ns)
{
	char since[48];

	out[0] = '\0';
	if (s->restarting) {
		human_duration(since, now_ns - s->finished_at);
		(void)snprintf(out, 160, "Restarting (%lld) %s ago", (long long)s->exit_code, since);
	} else if (s->running) {
		human_duration(since, now_ns - s->started_at);
		if (s->paused)
			(void)snprintf(out, 160, "Up %s (Paused)", since);
		else if (health != NULL && *health != '\0' && strcmp(health, "none") != 0)
			(void)snprintf(out, 160, "Up %s (%s%.32s)", since, strcmp(health, "starting") == 0 ? "health: " : "", health);
		else
			(void)snprintf(out, 160, "Up %s", since);
	} else if (s->status != NULL && strcmp(s->status, "removing") == 0) {
		(void)snprintf(out, 160, "Removal In Progress");
	} else if (s->dead) {
		(void)snprintf(out, 160, "Dead");
	} else if (s->started_at == 0) {
		(void)snprintf(out, 160, "Created");
	} else if (s->finished_at != 0) {
		human_duration(since, now_ns - s->finished_at);
		(void)snprintf(out, 160, "Exited (%lld) %s ago", (long long)s->exit_code, since);
	}
}
