// The extension module: the ladder in a numpy array's memory, and the textbook's engine, for Python.
#include <nanobind/nanobind.h>

#include <cstdint>
#include <mutex>

#include "batch.hpp"
#include "ladder.hpp"

namespace nb = nanobind;

namespace xlab {

void bind_textbook(nb::module_& module);

namespace {

// A ladder in a buffer that engines.matching.ladder_layout has laid out and looked through.
class Ladder {
 public:
    explicit Ladder(nb::handle buffer) {
        if (PyObject_GetBuffer(buffer.ptr(), &view_, PyBUF_WRITABLE) != 0) throw nb::python_error();
        if (static_cast<const Header*>(view_.buf)->layout_version != LAYOUT_VERSION) {
            PyBuffer_Release(&view_);
            throw nb::value_error("the engines in C++ were built for another layout; run make setup");
        }
        places_ = places_at(view_.buf);
    }
    ~Ladder() { PyBuffer_Release(&view_); }
    Ladder(const Ladder&) = delete;
    Ladder& operator=(const Ladder&) = delete;

    nb::tuple submit(nb::handle commands, nb::handle events, nb::handle ticks, int clock) {
        const auto run = [&](const Command* in, std::int64_t count, Event* out, std::int64_t room,
                             std::int64_t* times) {
            return xlab::submit(places_, in, count, out, room, times, clock);
        };
        return submit_arrays(commands, events, ticks, in_use_, run);
    }

    std::int64_t best_price(std::int64_t symbol, std::int64_t side) const {
        return xlab::best_price(places_, symbol, side);
    }

    std::int64_t quantity_at(std::int64_t symbol, std::int64_t side, std::int64_t price) const {
        return xlab::quantity_at(places_, symbol, side, price);
    }

 private:
    Py_buffer view_{};
    Places places_{};
    std::mutex in_use_;
};

}  // namespace

NB_MODULE(_native, module) {
    import_known_types();
    nb::class_<Ladder>(module, "Ladder", "The price ladder in C++; see engines.matching.native.")
        .def(nb::init<nb::handle>(), nb::arg("buffer"))
        .def("submit", &Ladder::submit, nb::arg("commands").none(),
             nb::arg("events").none(), nb::arg("ticks").none(), nb::arg("clock"))
        .def("best_price", &Ladder::best_price, nb::arg("symbol"), nb::arg("side"))
        .def("quantity_at", &Ladder::quantity_at, nb::arg("symbol"), nb::arg("side"),
             nb::arg("price"));
    bind_textbook(module);
}

}  // namespace xlab
