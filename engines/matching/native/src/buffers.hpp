// A caller's numpy array as records, for the length of one call and without a copy.
//
// Only for the extension: the engines themselves know nothing of Python. The buffer protocol, not
// nanobind's own array, because that one takes no arrays of records.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace xlab {

enum class Access { read, write };

// Make and destroy it while the GIL is held; what `data` points to may be used without it.
template <class Record>
class Records {
 public:
    Records(nanobind::handle array, Access access) : access_(access) {
        const int flags = PyBUF_ND | (access == Access::write ? PyBUF_WRITABLE : 0);
        if (PyObject_GetBuffer(array.ptr(), &view_, flags) != 0) throw nanobind::python_error();
        // A record at an odd address is undefined behaviour, and a file's view may well have one.
        if (reinterpret_cast<std::uintptr_t>(view_.buf) % alignof(Record) != 0) {
            aligned_.resize(size());
            std::memcpy(aligned_.data(), view_.buf, size() * sizeof(Record));
        }
    }

    ~Records() {
        if (access_ == Access::write && !aligned_.empty())
            std::memcpy(view_.buf, aligned_.data(), size() * sizeof(Record));
        PyBuffer_Release(&view_);
    }

    Records(const Records&) = delete;
    Records& operator=(const Records&) = delete;

    Record* data() { return aligned_.empty() ? static_cast<Record*>(view_.buf) : aligned_.data(); }
    bool is_row() const { return view_.ndim == 1; }
    std::size_t size() const { return static_cast<std::size_t>(view_.len) / sizeof(Record); }

 private:
    Py_buffer view_{};
    Access access_;
    std::vector<Record> aligned_;
};

}  // namespace xlab
