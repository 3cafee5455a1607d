// Frames between Exostride and a physics engine, over a stream socket. docs/gazebo.md describes them; the
// Python side is exostride.hardware.gz.frames. Little-endian, no padding.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace exostride
{
constexpr uint32_t kMagic = 0x5A475845;  // "EXGZ"
constexpr uint16_t kVersion = 2;
constexpr uint32_t kLongest = 1u << 20;

enum class Kind : uint16_t
{
  kHello = 1,    // engine -> peer: text
  kCommand = 2,  // peer -> engine: doubles; advance by one step
  kState = 3,    // engine -> peer: doubles
  kReset = 4,    // peer -> engine: doubles; set every link's pose and velocity
  kQuit = 5,     // peer -> engine: end
};

#pragma pack(push, 1)
struct Header
{
  uint32_t magic;
  uint16_t version;
  uint16_t kind;
  uint32_t length;  // bytes after the header
  uint32_t flags;
  uint64_t step;  // physics steps since the start
};
#pragma pack(pop)
static_assert(sizeof(Header) == 24, "the header has 24 bytes");

// kState: the engine went on without commands before this state, damping the drives.
constexpr uint32_t kDamped = 1;
// kCommand: put the belt back by whole periods of what lies on it, after this step.
constexpr uint32_t kRecentre = 1;

struct Frame
{
  Header header{};
  std::vector<char> payload;
};

enum class Answer
{
  kFrame,
  kTimeout,
  kClosed,  // end of stream, or something that is no frame of this version
};

// One end of a connected stream socket; every call is bounded in time.
class Stream
{
public:
  ~Stream();
  // Connect to a listening unix socket. Returns an empty text, or what went wrong.
  std::string Connect(const std::string &_path);
  bool Send(Kind _kind, uint32_t _flags, uint64_t _step, const void *_data, size_t _bytes);
  Answer Receive(Frame &_frame, int _timeoutMs);
  void Close();

private:
  bool ReceiveAll(char *_to, size_t _bytes, int _timeoutMs, bool &_timeout);
  int fd = -1;
};
}  // namespace exostride
