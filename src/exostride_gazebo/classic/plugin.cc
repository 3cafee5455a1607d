// Lock-step between Exostride and Gazebo 11: every physics step waits for one command and is answered by one
// state. Joints get torques, links get wrenches; bodies, joints and contacts are the engine's own.
#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <gazebo/common/Events.hh>
#include <gazebo/common/Plugin.hh>
#include <gazebo/gazebo_config.h>
#include <gazebo/physics/ode/ODESurfaceParams.hh>
#include <gazebo/physics/physics.hh>

#include "frames.hh"

namespace exostride
{
using ignition::math::Pose3d;
using ignition::math::Quaterniond;
using ignition::math::Vector3d;

class LockStep : public gazebo::WorldPlugin
{
public:
  void Load(gazebo::physics::WorldPtr _world, sdf::ElementPtr _sdf) override;
  ~LockStep() override { this->begin.reset(); }

private:
  void ReadLists(sdf::ElementPtr _sdf);
  void Fail(const std::string &_why);
  void End();
  void Begin();
  bool SendState();
  void Apply(const double *_values, uint32_t _flags);
  void Damp();
  bool Reset(const std::vector<char> &_payload);
  void SumContacts();
  size_t CommandSize() const { return 2 * this->joints.size() + 6 * this->links.size() + 2 * this->points.size(); }

  gazebo::physics::WorldPtr world;
  gazebo::event::ConnectionPtr begin;
  std::vector<gazebo::physics::JointPtr> joints;
  std::vector<double> damping;
  std::vector<double> solverDamping;
  std::vector<gazebo::physics::LinkPtr> links;
  std::vector<gazebo::physics::LinkPtr> free;
  std::map<const gazebo::physics::Collision *, size_t> points;
  std::vector<gazebo::physics::ODESurfaceParams *> surfaces;
  std::vector<double> contact;  // force and depth of each point
  std::map<const gazebo::physics::Link *, Quaterniond> before;
  gazebo::physics::JointPtr belt;
  bool recentre = false;
  double beltPeriod = 1.0;
  Stream stream;
  Frame frame;
  std::vector<double> out;
  uint64_t step = 0;
  int timeoutMs = 5000;
  double dampFor = 0.5;
  double damped = 0.0;
  bool ending = false;
  uint32_t flags = 0;
};

void LockStep::Fail(const std::string &_why)
{
  gzerr << "exostride: " << _why << "\n";
  this->stream.Close();
  this->End();
}

// Ask the server to end as Ctrl-C does; should it not manage to, the process ends all the same.
void LockStep::End()
{
  if (this->ending)
    return;
  this->ending = true;
  this->begin.reset();
  std::thread([] {
    std::this_thread::sleep_for(std::chrono::seconds(2));
    ::_exit(0);
  }).detach();
  ::raise(SIGINT);
}

void LockStep::ReadLists(sdf::ElementPtr _sdf)
{
  auto model = this->world->ModelByName(_sdf->Get<std::string>("model"));
  if (!model)
    throw std::runtime_error("the world has no model '" + _sdf->Get<std::string>("model") + "'");
  for (auto e = _sdf->HasElement("joint") ? _sdf->GetElement("joint") : nullptr; e; e = e->GetNextElement("joint"))
  {
    const auto name = e->Get<std::string>();
    auto joint = model->GetJoint(name);
    if (!joint)
    {
      auto other = this->world->ModelByName(name);
      joint = other ? other->GetJoint(name) : nullptr;
      this->belt = joint;
    }
    if (!joint)
      throw std::runtime_error("no joint '" + name + "'");
    this->joints.push_back(joint);
    this->damping.push_back(e->HasAttribute("damping") ? e->Get<double>("damping") : 0.0);
  }
  for (auto e = _sdf->HasElement("link") ? _sdf->GetElement("link") : nullptr; e; e = e->GetNextElement("link"))
  {
    auto link = model->GetLink(e->Get<std::string>());
    if (!link)
      throw std::runtime_error("no link '" + e->Get<std::string>() + "'");
    this->links.push_back(link);
    if (e->HasAttribute("free") && e->Get<bool>("free"))
      this->free.push_back(link);
  }
  for (auto e = _sdf->HasElement("contact") ? _sdf->GetElement("contact") : nullptr; e; e = e->GetNextElement("contact"))
  {
    const auto name = e->Get<std::string>();
    gazebo::physics::CollisionPtr found;
    for (auto &link : this->links)
      if (auto collision = link->GetCollision(name))
        found = collision;
    if (!found)
      throw std::runtime_error("no collision '" + name + "'");
    const size_t index = this->points.size();
    this->points[found.get()] = index;
    // The physics engine is ODE (Load), and so is its surface.
    this->surfaces.push_back(static_cast<gazebo::physics::ODESurfaceParams *>(found->GetSurface().get()));
  }
  this->solverDamping.assign(this->joints.size(), 0.0);
  this->contact.assign(4 * this->points.size(), 0.0);
}

void LockStep::Load(gazebo::physics::WorldPtr _world, sdf::ElementPtr _sdf)
{
  this->world = _world;
  if (_sdf->HasElement("timeout"))
    this->timeoutMs = static_cast<int>(1000.0 * _sdf->Get<double>("timeout"));
  if (_sdf->HasElement("damp_for"))
    this->dampFor = _sdf->Get<double>("damp_for");
  if (_sdf->HasElement("belt_period"))
    this->beltPeriod = _sdf->Get<double>("belt_period");
  // The socket may be named from outside, so that one world file serves many servers.
  const char *named = std::getenv("EXOSTRIDE_GAZEBO_SOCKET");
  const std::string path = named ? named : _sdf->Get<std::string>("socket");
  const std::string problem = this->stream.Connect(path);
  if (!problem.empty())
    return this->Fail("cannot reach the hardware node: " + problem);
  auto physics = this->world->Physics();
  try
  {
    if (physics->GetType() != "ode")
      throw std::runtime_error("the world's physics is " + physics->GetType() + ", which must be ode");
    this->ReadLists(_sdf);
  }
  catch (const std::exception &_error)
  {
    const std::string text = std::string("error ") + _error.what();
    this->stream.Send(Kind::kHello, 0, 0, text.data(), text.size());
    return this->Fail(_error.what());
  }
  physics->GetContactManager()->SetNeverDropContacts(true);
  const std::string text = "engine gazebo " + std::string(GAZEBO_VERSION_FULL) + " " + physics->GetType() +
    "\njoints " + std::to_string(this->joints.size()) + "\nlinks " + std::to_string(this->links.size()) +
    "\nfree " + std::to_string(this->free.size()) + "\ncontacts " + std::to_string(this->points.size()) +
    "\ntimestep_s " + std::to_string(physics->GetMaxStepSize()) + "\n";
  if (!this->stream.Send(Kind::kHello, 0, 0, text.data(), text.size()))
    return this->Fail("the hardware node went away");
  this->begin = gazebo::event::Events::ConnectWorldUpdateBegin(
    [this](const gazebo::common::UpdateInfo &) { this->Begin(); });
}

void LockStep::Begin()
{
  if (this->recentre && this->belt)
    this->belt->SetPosition(0, std::remainder(this->belt->Position(0), this->beltPeriod), true);
  this->recentre = false;
  this->SumContacts();
  if (this->damped <= 0.0 && !this->SendState())
    this->stream.Close();
  for (;;)
  {
    // While damping for want of commands, look for one, but go on. Before the first one nothing moves: the
    // other nodes of a session may take their time to start.
    const int patience = this->step == 0 ? -1 : this->timeoutMs;
    const Answer answer = this->stream.Receive(this->frame, this->damped > 0.0 ? 0 : patience);
    if (answer != Answer::kFrame)
    {
      if (answer == Answer::kClosed && this->damped >= this->dampFor)
        return this->End();
      return this->Damp();
    }
    const Header &header = this->frame.header;
    if (this->damped > 0.0)
    {
      this->damped = 0.0;
      this->flags = kDamped;
    }
    const auto kind = static_cast<Kind>(header.kind);
    if (kind == Kind::kQuit)
      return this->End();
    if (kind == Kind::kReset)
    {
      if (!this->Reset(this->frame.payload) || !this->SendState())
        return this->Fail("a reset frame of the wrong length");
      continue;
    }
    if (kind != Kind::kCommand || header.length != 8 * this->CommandSize())
      return this->Fail("a frame of kind " + std::to_string(header.kind) + " with " + std::to_string(header.length) +
        " bytes; expected a command with " + std::to_string(8 * this->CommandSize()));
    this->Apply(reinterpret_cast<const double *>(this->frame.payload.data()), header.flags);
    break;
  }
  for (auto &link : this->links)
    this->before[link.get()] = link->WorldPose().Rot();
  ++this->step;
}

void LockStep::Apply(const double *_values, uint32_t _flags)
{
  const size_t n = this->joints.size();
  for (size_t i = 0; i < n; ++i)
  {
    this->joints[i]->SetForce(0, _values[i]);
    // The solver's own damping, implicit if the world file says so.
    if (_values[n + i] != this->solverDamping[i])
      this->joints[i]->SetDamping(0, this->solverDamping[i] = _values[n + i]);
  }
  const double *wrench = _values + 2 * n;
  for (size_t i = 0; i < this->links.size(); ++i, wrench += 6)
  {
    // In the world's axes, at the centre of mass.
    this->links[i]->AddForce(Vector3d(wrench[0], wrench[1], wrench[2]));
    this->links[i]->AddTorque(Vector3d(wrench[3], wrench[4], wrench[5]));
  }
  // Soles get stiffer the deeper they are pressed: each point's spring and damper are those of this step.
  for (auto *surface : this->surfaces)
  {
    surface->kp = *wrench++;
    surface->kd = *wrench++;
  }
  this->recentre = (_flags & kRecentre) != 0;
}

// The firmware's answer to silence: damping in the drives and in the belt, nothing else, no faster than the clock.
void LockStep::Damp()
{
  const double dt = this->world->Physics()->GetMaxStepSize();
  this->damped += dt;
  for (size_t i = 0; i < this->joints.size(); ++i)
    this->joints[i]->SetForce(0, -this->damping[i] * this->joints[i]->GetVelocity(0));
  for (auto &link : this->links)
    this->before[link.get()] = link->WorldPose().Rot();
  ++this->step;
  std::this_thread::sleep_for(std::chrono::duration<double>(dt));
}

// Forces of the last step's contacts, as the engine solved them, summed over each point [N, world], and depth [m].
void LockStep::SumContacts()
{
  std::fill(this->contact.begin(), this->contact.end(), 0.0);
  auto manager = this->world->Physics()->GetContactManager();
  const auto &all = manager->GetContacts();
  for (unsigned int i = 0; i < manager->GetContactCount(); ++i)
  {
    const auto *c = all[i];
    for (const bool first : {true, false})
    {
      const auto *collision = first ? c->collision1 : c->collision2;
      const auto found = this->points.find(collision);
      if (found == this->points.end())
        continue;
      Vector3d sum;
      for (int j = 0; j < c->count; ++j)
        sum += first ? c->wrench[j].body1Force : c->wrench[j].body2Force;
      // Given in the link's axes as they were before the step.
      const auto rotation = this->before.find(collision->GetLink().get());
      const Vector3d force = rotation == this->before.end() ? sum : rotation->second.RotateVector(sum);
      double *to = &this->contact[4 * found->second];
      to[0] += force.X();
      to[1] += force.Y();
      to[2] += force.Z();
      for (int j = 0; j < c->count; ++j)
        to[3] = std::max(to[3], c->depths[j]);
    }
  }
}

bool LockStep::SendState()
{
  this->out.clear();
  this->out.push_back(this->world->SimTime().Double());
  for (auto &joint : this->joints)
    this->out.push_back(joint->Position(0));
  for (auto &joint : this->joints)
    this->out.push_back(joint->GetVelocity(0));
  for (auto &link : this->free)
  {
    const Pose3d pose = link->WorldPose();
    const Vector3d v = link->WorldLinearVel(), w = link->WorldAngularVel();
    for (const double value : {pose.Pos().X(), pose.Pos().Y(), pose.Pos().Z(), pose.Rot().W(), pose.Rot().X(),
           pose.Rot().Y(), pose.Rot().Z(), v.X(), v.Y(), v.Z(), w.X(), w.Y(), w.Z()})
      this->out.push_back(value);
  }
  this->out.insert(this->out.end(), this->contact.begin(), this->contact.end());
  const uint32_t flags = this->flags;
  this->flags = 0;
  return this->stream.Send(Kind::kState, flags, this->step, this->out.data(), 8 * this->out.size());
}

// Pose (origin x y z, quaternion w x y z) and velocity (of the centre of mass, angular; world) of each link.
bool LockStep::Reset(const std::vector<char> &_payload)
{
  if (_payload.size() != 8 * 13 * this->links.size())
    return false;
  const double *v = reinterpret_cast<const double *>(_payload.data());
  if (this->belt)
    this->belt->SetPosition(0, 0.0, false);
  for (auto &link : this->links)
  {
    link->ResetPhysicsStates();
    link->SetWorldPose(Pose3d(Vector3d(v[0], v[1], v[2]), Quaterniond(v[3], v[4], v[5], v[6])));
    link->SetLinearVel(Vector3d(v[7], v[8], v[9]));
    link->SetAngularVel(Vector3d(v[10], v[11], v[12]));
    v += 13;
  }
  std::fill(this->contact.begin(), this->contact.end(), 0.0);
  return true;
}

GZ_REGISTER_WORLD_PLUGIN(LockStep)
}  // namespace exostride
