/* The descriptors and tables that msg/types.h, msg/api.h, msg/run.h, msg/store.h declare. */
#include "msg/types.h"
#include "msg/api.h"
#include "msg/archive.h"
#include "msg/run.h"
#include "msg/store.h"

#define REC_SELF struct health_config
REC_DEFINE(health_config, HEALTH_CONFIG_FIELDS)
#undef REC_SELF
#define REC_SELF struct container_config
REC_DEFINE(container_config, CONTAINER_CONFIG_FIELDS)
#undef REC_SELF
#define REC_SELF struct log_config
REC_DEFINE(log_config, LOG_CONFIG_FIELDS)
#undef REC_SELF
#define REC_SELF struct port_binding
REC_DEFINE(port_binding, PORT_BINDING_FIELDS)
#undef REC_SELF
#define REC_SELF struct port_map
REC_DEFINE(port_map, PORT_MAP_FIELDS)
#undef REC_SELF
#define REC_SELF struct restart_policy
REC_DEFINE(restart_policy, RESTART_POLICY_FIELDS)
#undef REC_SELF
#define REC_SELF struct device_mapping
REC_DEFINE(device_mapping, DEVICE_MAPPING_FIELDS)
#undef REC_SELF
#define REC_SELF struct device_request
REC_DEFINE(device_request, DEVICE_REQUEST_FIELDS)
#undef REC_SELF
#define REC_SELF struct weight_device
REC_DEFINE(weight_device, WEIGHT_DEVICE_FIELDS)
#undef REC_SELF
#define REC_SELF struct throttle_device
REC_DEFINE(throttle_device, THROTTLE_DEVICE_FIELDS)
#undef REC_SELF
#define REC_SELF struct bind_options
REC_DEFINE(bind_options, BIND_OPTIONS_FIELDS)
#undef REC_SELF
#define REC_SELF struct driver_config
REC_DEFINE(driver_config, DRIVER_CONFIG_FIELDS)
#undef REC_SELF
#define REC_SELF struct volume_options
REC_DEFINE(volume_options, VOLUME_OPTIONS_FIELDS)
#undef REC_SELF
#define REC_SELF struct tmpfs_options
REC_DEFINE(tmpfs_options, TMPFS_OPTIONS_FIELDS)
#undef REC_SELF
#define REC_SELF struct image_options
REC_DEFINE(image_options, IMAGE_OPTIONS_FIELDS)
#undef REC_SELF
#define REC_SELF struct mount_spec
REC_DEFINE(mount_spec, MOUNT_SPEC_FIELDS)
#undef REC_SELF
#define REC_SELF struct host_config
REC_DEFINE(host_config, HOST_CONFIG_FIELDS)
#undef REC_SELF
#define REC_SELF struct endpoint_ipam
REC_DEFINE(endpoint_ipam, ENDPOINT_IPAM_FIELDS)
#undef REC_SELF
#define REC_SELF struct endpoint
REC_DEFINE(endpoint, ENDPOINT_FIELDS)
#undef REC_SELF
#define REC_SELF struct network_settings
REC_DEFINE(network_settings, NETWORK_SETTINGS_FIELDS)
#undef REC_SELF
#define REC_SELF struct health_result
REC_DEFINE(health_result, HEALTH_RESULT_FIELDS)
#undef REC_SELF
#define REC_SELF struct health
REC_DEFINE(health, HEALTH_FIELDS)
#undef REC_SELF
#define REC_SELF struct container_state
REC_DEFINE(container_state, CONTAINER_STATE_FIELDS)
#undef REC_SELF
#define REC_SELF struct mount_point
REC_DEFINE(mount_point, MOUNT_POINT_FIELDS)
#undef REC_SELF
#define REC_SELF struct graph_driver
REC_DEFINE(graph_driver, GRAPH_DRIVER_FIELDS)
#undef REC_SELF
#define REC_SELF struct container
REC_DEFINE(container, CONTAINER_FIELDS)
#undef REC_SELF
#define REC_SELF struct filter
REC_DEFINE(filter, FILTER_FIELDS)
#undef REC_SELF
#define REC_SELF struct history
REC_DEFINE(history, HISTORY_FIELDS)
#undef REC_SELF
#define REC_SELF struct image_layer
REC_DEFINE(image_layer, IMAGE_LAYER_FIELDS)
#undef REC_SELF
#define REC_SELF struct image
REC_DEFINE(image, IMAGE_FIELDS)
#undef REC_SELF
#define REC_SELF struct volume
REC_DEFINE(volume, VOLUME_FIELDS)
#undef REC_SELF
#define REC_SELF struct ipam_pool
REC_DEFINE(ipam_pool, IPAM_POOL_FIELDS)
#undef REC_SELF
#define REC_SELF struct ipam
REC_DEFINE(ipam, IPAM_FIELDS)
#undef REC_SELF
#define REC_SELF struct network_member
REC_DEFINE(network_member, NETWORK_MEMBER_FIELDS)
#undef REC_SELF
#define REC_SELF struct network
REC_DEFINE(network, NETWORK_FIELDS)
#undef REC_SELF
#define REC_SELF struct event
REC_DEFINE(event, EVENT_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_ref
REC_DEFINE(api_ref, API_REF_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_create
REC_DEFINE(api_create, API_CREATE_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_created
REC_DEFINE(api_created, API_CREATED_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_list
REC_DEFINE(api_list, API_LIST_FIELDS)
#undef REC_SELF
#define REC_SELF struct summary_port
REC_DEFINE(summary_port, SUMMARY_PORT_FIELDS)
#undef REC_SELF
#define REC_SELF struct container_summary
REC_DEFINE(container_summary, CONTAINER_SUMMARY_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_summaries
REC_DEFINE(api_summaries, API_SUMMARIES_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_stop
REC_DEFINE(api_stop, API_STOP_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_kill
REC_DEFINE(api_kill, API_KILL_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_rename
REC_DEFINE(api_rename, API_RENAME_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_remove
REC_DEFINE(api_remove, API_REMOVE_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_wait
REC_DEFINE(api_wait, API_WAIT_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_waited
REC_DEFINE(api_waited, API_WAITED_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_resize
REC_DEFINE(api_resize, API_RESIZE_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_attach
REC_DEFINE(api_attach, API_ATTACH_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_logs
REC_DEFINE(api_logs, API_LOGS_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_log_files
REC_DEFINE(api_log_files, API_LOG_FILES_FIELDS)
#undef REC_SELF
#define REC_SELF struct exec_config
REC_DEFINE(exec_config, EXEC_CONFIG_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_exec_start
REC_DEFINE(api_exec_start, API_EXEC_START_FIELDS)
#undef REC_SELF
#define REC_SELF struct exec_state
REC_DEFINE(exec_state, EXEC_STATE_FIELDS)
#undef REC_SELF
#define REC_SELF struct proc
REC_DEFINE(proc, PROC_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_procs
REC_DEFINE(api_procs, API_PROCS_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_update
REC_DEFINE(api_update, API_UPDATE_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_updated
REC_DEFINE(api_updated, API_UPDATED_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_sample
REC_DEFINE(api_sample, API_SAMPLE_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_images
REC_DEFINE(api_images, API_IMAGES_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_tag
REC_DEFINE(api_tag, API_TAG_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_image_remove
REC_DEFINE(api_image_remove, API_IMAGE_REMOVE_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_image_removed
REC_DEFINE(api_image_removed, API_IMAGE_REMOVED_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_load
REC_DEFINE(api_load, API_LOAD_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_progress
REC_DEFINE(api_progress, API_PROGRESS_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_import
REC_DEFINE(api_import, API_IMPORT_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_save
REC_DEFINE(api_save, API_SAVE_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_filters
REC_DEFINE(api_filters, API_FILTERS_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_pruned
REC_DEFINE(api_pruned, API_PRUNED_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_volume_create
REC_DEFINE(api_volume_create, API_VOLUME_CREATE_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_volumes
REC_DEFINE(api_volumes, API_VOLUMES_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_volume_remove
REC_DEFINE(api_volume_remove, API_VOLUME_REMOVE_FIELDS)
#undef REC_SELF
#define REC_SELF struct config_reference
REC_DEFINE(config_reference, CONFIG_REFERENCE_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_network_create
REC_DEFINE(api_network_create, API_NETWORK_CREATE_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_network_connect
REC_DEFINE(api_network_connect, API_NETWORK_CONNECT_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_networks
REC_DEFINE(api_networks, API_NETWORKS_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_events
REC_DEFINE(api_events, API_EVENTS_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_info
REC_DEFINE(api_info, API_INFO_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_commit
REC_DEFINE(api_commit, API_COMMIT_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_committed
REC_DEFINE(api_committed, API_COMMITTED_FIELDS)
#undef REC_SELF
#define REC_SELF struct volume_use
REC_DEFINE(volume_use, VOLUME_USE_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_volume_uses
REC_DEFINE(api_volume_uses, API_VOLUME_USES_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_archive
REC_DEFINE(api_archive, API_ARCHIVE_FIELDS)
#undef REC_SELF
#define REC_SELF struct api_archived
REC_DEFINE(api_archived, API_ARCHIVED_FIELDS)
#undef REC_SELF
EDGE_DEFINE(api_edge, "api", API_MESSAGES)
#define REC_SELF struct run_id
REC_DEFINE(run_id, RUN_ID_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_prepare
REC_DEFINE(run_prepare, RUN_PREPARE_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_prepared
REC_DEFINE(run_prepared, RUN_PREPARED_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_limits
REC_DEFINE(run_limits, RUN_LIMITS_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_mount
REC_DEFINE(run_mount, RUN_MOUNT_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_link
REC_DEFINE(run_link, RUN_LINK_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_process
REC_DEFINE(run_process, RUN_PROCESS_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_log
REC_DEFINE(run_log, RUN_LOG_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_spec
REC_DEFINE(run_spec, RUN_SPEC_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_started
REC_DEFINE(run_started, RUN_STARTED_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_signal
REC_DEFINE(run_signal, RUN_SIGNAL_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_freeze
REC_DEFINE(run_freeze, RUN_FREEZE_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_resize
REC_DEFINE(run_resize, RUN_RESIZE_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_stream
REC_DEFINE(run_stream, RUN_STREAM_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_exec
REC_DEFINE(run_exec, RUN_EXEC_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_exit
REC_DEFINE(run_exit, RUN_EXIT_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_state
REC_DEFINE(run_state, RUN_STATE_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_states
REC_DEFINE(run_states, RUN_STATES_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_stats
REC_DEFINE(run_stats, RUN_STATS_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_connect
REC_DEFINE(run_connect, RUN_CONNECT_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_update
REC_DEFINE(run_update, RUN_UPDATE_FIELDS)
#undef REC_SELF
#define REC_SELF struct run_archive
REC_DEFINE(run_archive, RUN_ARCHIVE_FIELDS)
#undef REC_SELF
EDGE_DEFINE(run_edge, "run", RUN_MESSAGES)
EDGE_DEFINE(archive_edge, "archive", ARCHIVE_MESSAGES)
#define REC_SELF struct store_name
REC_DEFINE(store_name, STORE_NAME_FIELDS)
#undef REC_SELF
#define REC_SELF struct store_loaded
REC_DEFINE(store_loaded, STORE_LOADED_FIELDS)
#undef REC_SELF
#define REC_SELF struct store_save
REC_DEFINE(store_save, STORE_SAVE_FIELDS)
#undef REC_SELF
#define REC_SELF struct store_drop
REC_DEFINE(store_drop, STORE_DROP_FIELDS)
#undef REC_SELF
#define REC_SELF struct store_inventory
REC_DEFINE(store_inventory, STORE_INVENTORY_FIELDS)
#undef REC_SELF
#define REC_SELF struct store_tree
REC_DEFINE(store_tree, STORE_TREE_FIELDS)
#undef REC_SELF
#define REC_SELF struct store_commit
REC_DEFINE(store_commit, STORE_COMMIT_FIELDS)
#undef REC_SELF
#define REC_SELF struct store_committed
REC_DEFINE(store_committed, STORE_COMMITTED_FIELDS)
#undef REC_SELF
#define REC_SELF struct store_measure
REC_DEFINE(store_measure, STORE_MEASURE_FIELDS)
#undef REC_SELF
#define REC_SELF struct store_size
REC_DEFINE(store_size, STORE_SIZE_FIELDS)
#undef REC_SELF
#define REC_SELF struct store_sizes
REC_DEFINE(store_sizes, STORE_SIZES_FIELDS)
#undef REC_SELF
EDGE_DEFINE(store_edge, "store", STORE_MESSAGES)
