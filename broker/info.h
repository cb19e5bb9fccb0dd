#pragma once
struct host_facts;
void facts_read(struct host_facts *f);
