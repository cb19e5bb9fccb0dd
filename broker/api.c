/* The table of handlers for what workers may ask. */
#include "clients.h"
#include "create.h"
#include "events.h"
#include "exec.h"
#include "files.h"
#include "images.h"
#include "lifecycle.h"
#include "limits.h"
#include "list.h"
#include "msg/api.h"
#include "volumes.h"

const edge_fn api_handlers[api_edge_end] = {
	[NO_container_create] = handle_container_create,
	[NO_container_list] = handle_container_list,
	[NO_container_inspect] = handle_container_inspect,
	[NO_container_start] = handle_container_start,
	[NO_container_stop] = handle_container_stop,
	[NO_container_restart] = handle_container_restart,
	[NO_container_kill] = handle_container_kill,
	[NO_container_pause] = handle_container_pause,
	[NO_container_unpause] = handle_container_unpause,
	[NO_container_rename] = handle_container_rename,
	[NO_container_remove] = handle_container_remove,
	[NO_container_wait] = handle_container_wait,
	[NO_container_resize] = handle_container_resize,
	[NO_container_attach] = handle_container_attach,
	[NO_container_logs] = handle_container_logs,
	[NO_container_top] = handle_container_top,
	[NO_container_prune] = handle_container_prune,
	[NO_exec_create] = handle_exec_create,
	[NO_exec_start] = handle_exec_start,
	[NO_exec_inspect] = handle_exec_inspect,
	[NO_image_list] = handle_image_list,
	[NO_image_inspect] = handle_image_inspect,
	[NO_image_tag] = handle_image_tag,
	[NO_image_remove] = handle_image_remove,
	[NO_image_load] = handle_image_load,
	[NO_image_import] = handle_image_import,
	[NO_image_save] = handle_image_save,
	[NO_image_prune] = handle_image_prune,
	[NO_volume_create] = handle_volume_create,
	[NO_volume_list] = handle_volume_list,
	[NO_volume_inspect] = handle_volume_inspect,
	[NO_volume_remove] = handle_volume_remove,
	[NO_volume_prune] = handle_volume_prune,
	[NO_network_list] = handle_network_list,
	[NO_network_inspect] = handle_network_inspect,
	[NO_network_create] = handle_network_create,
	[NO_network_remove] = handle_network_remove,
	[NO_network_prune] = handle_network_prune,
	[NO_network_connect] = handle_network_connect,
	[NO_network_disconnect] = handle_network_disconnect,
	[NO_system_info] = handle_system_info,
	[NO_system_events] = handle_system_events,
	[NO_container_update] = handle_container_update,
	[NO_container_stats] = handle_container_stats,
	[NO_container_changes] = handle_container_changes,
	[NO_container_export] = handle_container_export,
	[NO_container_commit] = handle_container_commit,
	[NO_volume_usage] = handle_volume_usage,
	[NO_container_archive] = handle_container_archive,
};
const size_t n_api_handlers = api_edge_end;
