"""Every value of the storage format, both ways (S2, S3).

An encoder raises `ValueError` for what does not fit; a decoder raises `CorruptValue` for what cannot have
been stored, and never answers a wrong value.
"""

from .corrupt import CorruptValue
from .documents import (
    FORMAT_FIELDS,
    compare_versions,
    decode_format,
    decode_session_info,
    encode_format,
    encode_session_info,
    session_time,
    with_default_tiers,
)
from .limits import (
    decode_counter,
    decode_quota,
    decode_rule,
    encode_counter,
    encode_quota,
    encode_rule,
    rule_checksum,
    usable_ids,
)
from .locks import decode_flock, decode_plocks, encode_plocks, lock_field, parse_lock_field
from .nodes import (
    aligned,
    decode_attr,
    decode_entry,
    encode_attr,
    encode_entry,
    hour_name,
    parse_hour_name,
    trash_name,
)
from .slices import (
    decode_delayed_slices,
    decode_slice,
    decode_slices,
    delayed_slices_field,
    delfile_member,
    encode_delayed_slices,
    encode_slice,
    encode_slices,
    parse_delayed_slices_field,
    parse_delfile_member,
    parse_slice_ref_field,
    slice_ref_field,
)

__all__ = [
    "FORMAT_FIELDS",
    "CorruptValue",
    "aligned",
    "compare_versions",
    "decode_attr",
    "decode_counter",
    "decode_delayed_slices",
    "decode_entry",
    "decode_flock",
    "decode_format",
    "decode_plocks",
    "decode_quota",
    "decode_rule",
    "decode_session_info",
    "decode_slice",
    "decode_slices",
    "delayed_slices_field",
    "delfile_member",
    "encode_attr",
    "encode_counter",
    "encode_delayed_slices",
    "encode_entry",
    "encode_format",
    "encode_plocks",
    "encode_quota",
    "encode_rule",
    "encode_session_info",
    "encode_slice",
    "encode_slices",
    "hour_name",
    "lock_field",
    "parse_delayed_slices_field",
    "parse_delfile_member",
    "parse_hour_name",
    "parse_lock_field",
    "parse_slice_ref_field",
    "rule_checksum",
    "session_time",
    "slice_ref_field",
    "trash_name",
    "usable_ids",
    "with_default_tiers",
]
