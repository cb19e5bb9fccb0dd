#include "unpack.h"

#define REC_SELF struct rootfs_rec
REC_DEFINE(rootfs_rec, ROOTFS_REC_FIELDS)
#undef REC_SELF
#define REC_SELF struct oci_config
REC_DEFINE(oci_config, OCI_CONFIG_FIELDS)
#undef REC_SELF
#define REC_SELF struct unpack_file
REC_DEFINE(unpack_file, UNPACK_FILE_FIELDS)
#undef REC_SELF
#define REC_SELF struct unpack_image
REC_DEFINE(unpack_image, UNPACK_IMAGE_FIELDS)
#undef REC_SELF
#define REC_SELF struct unpack_result
REC_DEFINE(unpack_result, UNPACK_RESULT_FIELDS)
#undef REC_SELF
