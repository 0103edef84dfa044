// A call of `submit` from Python: its arrays recognised, the GIL given up, the counts returned.
//
// What this costs is what a call of one command costs, so the way through is short: record types
// are recognised by their address, each array lends its memory once, nothing is copied. Whatever is
// not as usual is left to engines.matching.api.check_arrays, which says what is wrong with it.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <mutex>
#include <utility>

#include "buffers.hpp"
#include "records.hpp"

namespace xlab {

// How many commands a call took and how many events it wrote.
using Counts = std::pair<std::int64_t, std::int64_t>;

// Giving up the GIL and taking it again costs as much as a command, and up to 5 ms where another
// Python thread is at work: calls shorter than this keep it.
constexpr std::int64_t FEW_COMMANDS = 32;

// What arrays are compared with. It lives as long as the extension, which is never unloaded.
struct KnownTypes {
    PyObject* word;  // "dtype"
    PyObject* command;
    PyObject* event;
    PyObject* ticks;
    PyObject* check_arrays;
};
inline KnownTypes known{};

inline void import_known_types() {
    const auto take = [](const char* module, const char* name) {
        return nanobind::object(nanobind::module_::import_(module).attr(name)).release().ptr();
    };
    known.word = PyUnicode_InternFromString("dtype");
    known.command = take("engines.messages", "COMMAND");
    known.event = take("engines.messages", "EVENT");
    known.ticks = nanobind::module_::import_("numpy").attr("dtype")("int64").release().ptr();
    known.check_arrays = take("engines.matching.api", "check_arrays");
}

// Whether an array is of this very type; another object may still be an equal one.
inline bool has_type(nanobind::handle array, PyObject* type) {
    PyObject* found = PyObject_GetAttr(array.ptr(), known.word);
    if (found == nullptr) {
        PyErr_Clear();
        return false;
    }
    Py_DECREF(found);
    return found == type;
}

// Runs what does not touch Python; a second thread waits for its turn with the same engine.
template <class Run>
Counts without_gil(std::mutex& in_use, const Run& run) {
    nanobind::gil_scoped_release released;
    std::lock_guard<std::mutex> turn(in_use);
    return run();
}

template <class Run>
Counts run_in_turn(std::mutex& in_use, std::int64_t commands, const Run& run) {
    if (commands < FEW_COMMANDS && in_use.try_lock()) {
        std::lock_guard<std::mutex> turn(in_use, std::adopt_lock);
        return run();
    }
    return without_gil(in_use, run);
}

// Calls `run(const Command*, count, Event*, room, std::int64_t* ticks or nullptr) -> Counts`.
template <class Run>
nanobind::tuple submit_arrays(nanobind::handle commands, nanobind::handle events,
                              nanobind::handle ticks, std::mutex& in_use, const Run& run) {
    const bool timed = !ticks.is_none();
    const nanobind::handle check_arrays(known.check_arrays);
    bool checked = false;
    const auto check = [&] {
        if (!checked) check_arrays(commands, events, ticks);
        checked = true;
    };
    if (!has_type(commands, known.command) || !has_type(events, known.event) ||
        (timed && !has_type(ticks, known.ticks)))
        check();
    try {
        Records<Command> in(commands, Access::read);
        Records<Event> out(events, Access::write);
        const auto count = static_cast<std::int64_t>(in.size());
        const auto room = static_cast<std::int64_t>(out.size());
        if (!in.is_row() || !out.is_row() || room == 0) check();
        const auto go = [&](std::int64_t* times) {
            return run_in_turn(in_use, count, [&, times] {
                return run(in.data(), count, out.data(), room, times);
            });
        };
        Counts counts;
        if (timed) {
            Records<std::int64_t> times(ticks, Access::write);
            if (!times.is_row() || times.size() < in.size()) check();
            counts = go(times.data());
        } else {
            counts = go(nullptr);
        }
        return nanobind::make_tuple(counts.first, counts.second);
    } catch (nanobind::python_error&) {
        check();  // says it better than the buffer protocol does
        throw;
    }
}

}  // namespace xlab
