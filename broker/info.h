#pragma once
struct host_facts;
void facts_read(struct host_facts *f);
/* cgroup_facts.c */
void cgroup_facts_read(struct host_facts *f, const char *cgroup_parent);
