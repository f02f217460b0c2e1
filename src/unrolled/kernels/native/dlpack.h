// The part of DLPack's C interface (version 1, dmlc.github.io/dlpack) that the doors use: how a tensor is described, and the
// table of functions that a library such as PyTorch (from 2.10 on) hangs on its tensor type for callers in C.
#pragma once

#include <cstdint>

namespace unrolled::dlpack {

struct Version {
  uint32_t major, minor;
};

struct Device {
  int32_t type, id;
};
constexpr int32_t kCpu = 1;

struct Number {
  uint8_t code, bits;
  uint16_t lanes;
};
constexpr uint8_t kInt = 0, kFloat = 2, kBfloat = 4, kBool = 6;

struct Tensor {
  void* data;
  Device device;
  int32_t dimensions;
  Number number;
  int64_t* shape;
  int64_t* strides;  // in numbers
  uint64_t byte_offset;
};

// A tensor and who owns it: `release` is called when the last user is gone.
struct Owned {
  Version version;
  void* context;
  void (*release)(Owned*);
  uint64_t flags;
  Tensor tensor;
};

// The table in the capsule `__dlpack_c_exchange_api__` of a tensor type. Functions return 0, or set an error.
struct Exchange {
  static constexpr const char* attribute = "__dlpack_c_exchange_api__";
  static constexpr const char* capsule = "dlpack_exchange_api";

  Version version;
  Exchange* older;
  int (*allocate)(Tensor*, Owned**, void*, void (*)(void*, const char*, const char*));
  int (*share)(void* object, Owned** out);
  int (*adopt)(Owned* tensor, void** object);      // a Python tensor that owns `tensor`
  int (*describe)(void* object, Tensor* out);      // valid while the object lives; may be null
  int (*stream)(int32_t device, int32_t id, void** out);
};

}  // namespace unrolled::dlpack
